import { globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type Enforcement, isRunByGate } from './enforcements.ts';

/** Where `.ci/run` keeps what its last run found. */
export const RESULTS = '.dragonfly/results';

export type Outcome = 'passed' | 'failed' | 'skipped' | 'not run' | 'elsewhere';

/** By exit code. What ends with 77 could not check, by the custom of Automake. */
const STEP_OUTCOMES: Readonly<Record<string, Outcome>> = { 0: 'passed', 77: 'skipped' };

export interface Results {
  readonly commit: string;
  /** Of each step of the gate, by name. */
  readonly steps: ReadonlyMap<string, Outcome>;
  readonly tests: readonly TestResult[];
}

interface TestResult {
  readonly file: string;
  /** The titles of the groups around it, then its own. */
  readonly titles: readonly string[];
  readonly status: string;
}

/** The JSON report of vitest, as far as it is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

/** Nothing when the gate has not run in this checkout. */
export function readResults(root: string): Results | undefined {
  const folder = join(root, RESULTS);
  if (globSync('commit', { cwd: folder }).length === 0) return undefined;
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const steps = globSync('*.tsv', { cwd: folder }).flatMap((file) =>
    read(file).trimEnd().split('\n').filter(Boolean),
  );
  return {
    commit: read('commit').trim(),
    steps: new Map(
      steps.map((line) => {
        const [status, name = ''] = line.split('\t');
        return [name, STEP_OUTCOMES[status ?? ''] ?? 'failed'];
      }),
    ),
    tests: globSync('*.json', { cwd: folder }).flatMap((file) =>
      testsOf(JSON.parse(read(file)) as VitestReport, root),
    ),
  };
}

export const testsOf = (report: VitestReport, root: string): TestResult[] =>
  report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ ancestorTitles, title, status }) => ({
      file: relative(root, name),
      titles: [...ancestorTitles, title],
      status,
    })),
  );

/**
 * What became of an enforcement in the gate. A title may stand for many tests: one that failed decides, and each of them
 * has to pass in at least one of the runs, as some are skipped in all but one.
 */
export function outcomeOf(enforcement: Enforcement, { steps, tests }: Results): Outcome {
  if (!isRunByGate(enforcement)) return 'elsewhere';
  if (enforcement.kind !== 'test') {
    return steps.get(enforcement.step ?? enforcement.title) ?? 'not run';
  }
  const pattern = titlePattern(enforcement.title);
  const own = tests.filter(
    ({ file, titles }) => file === enforcement.file && titles.some((title) => pattern.test(title)),
  );
  if (own.length === 0) return 'not run';
  if (own.some(({ status }) => status === 'failed')) return 'failed';
  const byName = Map.groupBy(own, ({ titles }) => titles.join(' > '));
  return [...byName.values()].every((runs) => runs.some(({ status }) => status === 'passed'))
    ? 'passed'
    : 'skipped';
}

/** Placeholders of a title, `%s`, `$name` and `${…}`, stand for any text. */
const PLACEHOLDER = /\$\{.*?\}|\$[\w.]+|%[sdifjoOc#]/g;

function titlePattern(title: string): RegExp {
  const parts = title.replaceAll(/\\(?=['"`])/g, '').split(PLACEHOLDER);
  return new RegExp(`^${parts.map((part) => escaped(part)).join('.*')}$`, 's');
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
