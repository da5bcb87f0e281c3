import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lawsNamedIn } from './laws.ts';

/** Something that goes red when a law is broken, and names the law in its title. */
export interface Enforcement {
  readonly kind: 'test' | 'gate step' | 'gate check' | 'linter message' | 'workflow step';
  readonly file: string;
  readonly title: string;
  readonly laws: readonly string[];
  /** Of a message of the linter: the step of the gate that runs it. */
  readonly step?: string | undefined;
}

/** By .ci/run. A workflow and `dragonfly gate` run elsewhere, and not before a change lands. */
export const isRunByGate = ({ kind }: Enforcement): boolean =>
  kind !== 'workflow step' && kind !== 'gate check';

const QUOTED = String.raw`(?<quote>['"\x60])(?<title>(?:(?!\k<quote>)[^\\]|\\.)*)\k<quote>`;

/** The first argument of a function that defines tests, and not a text that one expects. */
const TEST_TITLE = new RegExp(String.raw`(?:\b(?:it|test|describe)[\w.]*|\))\(\s*${QUOTED},`, 'g');
const STEP = new RegExp(String.raw`^(?:step|tests) ${QUOTED} (?<command>.+)$`, 'gm');
/** A row of the table of `dragonfly gate`. */
const GATE_CHECK = new RegExp(
  String.raw`\b(?:ofEnvironment|ofCheckout|script)\(\s*'[\w-]+',\s*${QUOTED}`,
  'g',
);
const LINT_MESSAGE = new RegExp(String.raw`"message": ${QUOTED}`, 'g');
const WORKFLOW_STEP = /^ *(?:- )?name: (?<title>.+)$/gm;

/** Every enforcement of the checkout, by file, in the order of the files. */
export function collectEnforcements(root: string): Enforcement[] {
  const read = (file: string): string => readFileSync(join(root, file), 'utf8');
  const find = (kind: Enforcement['kind'], files: string, pattern: RegExp, step?: string): Enforcement[] =>
    globSync(files, { cwd: root })
      .toSorted()
      .flatMap((file) =>
        titles(read(file), pattern).map((title) => ({ kind, file, title, laws: lawsNamedIn(title), step })),
      );

  const gate = read('.ci/run');
  const check = [...gate.matchAll(STEP)].find(({ groups }) => groups?.['command'] === '.ci/check');
  return [
    ...find('test', 'test/**/*.test.ts', TEST_TITLE),
    ...find('gate step', '.ci/run', STEP),
    ...find('gate check', 'src/composition/gate/checks.ts', GATE_CHECK),
    ...find('linter message', '.oxlintrc.json', LINT_MESSAGE, check?.groups?.['title']),
    ...find('workflow step', '.github/workflows/*.yml', WORKFLOW_STEP),
  ].filter(({ laws }) => laws.length > 0);
}

const titles = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(({ groups }) => groups?.['title'] ?? '');
