import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lawsNamedIn } from './laws.ts';

/** Something that goes red when a law is broken, and names the law in its title. */
export interface Enforcement {
  readonly kind: 'test' | 'gate step' | 'linter message' | 'workflow step';
  readonly file: string;
  readonly title: string;
  readonly laws: readonly string[];
  /** The step of the gate that runs it, where that is not a run of tests. */
  readonly step?: string | undefined;
}

const NAMED = String.raw`(?:[^\n]*?\[[A-Z][A-Z0-9]*-\d+\])`;

/** The first argument of a call: a title, and not a text that a test expects. */
const TEST_TITLE = new RegExp(String.raw`\(\s*(?<quote>['"\x60])(?<title>${NAMED}.*?)\k<quote>,`, 'g');
const STEP = /^(?:step|tests) (?<quote>['"])(?<title>.+?)\k<quote> (?<command>.+)$/gm;
const LINT_MESSAGE = new RegExp(String.raw`"message": "(?<title>${NAMED}.*?)"`, 'g');
const WORKFLOW_STEP = new RegExp(String.raw`^ *(?:- )?name: (?<title>.*${NAMED}.*)$`, 'gm');

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
    ...find('gate step', '.ci/run', STEP).map((found) => ({ ...found, step: found.title })),
    ...find('linter message', '.oxlintrc.json', LINT_MESSAGE, check?.groups?.['title']),
    ...find('workflow step', '.github/workflows/*.yml', WORKFLOW_STEP),
  ].filter(({ laws }) => laws.length > 0);
}

const titles = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(({ groups }) => groups?.['title'] ?? '');
