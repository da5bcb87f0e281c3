import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lawsNamedIn } from './laws.ts';
import { type VitestReport, testsOf } from './results.ts';
import type { Sabotage } from './sabotage.ts';

const run = promisify(execFile);
const CHECK_TIMEOUT_MS = 300_000;

export type Verdict = 'passed' | 'failed' | 'no test ran';

/** Runs the tests of a file that name a law, in a checkout. */
export type Check = (folder: string, test: string, law: string) => Promise<Verdict>;

/**
 * Applies each sabotage to a scratch copy of the checkout, and tells which of them were not noticed: the check has to pass
 * without it and to fail with it.
 */
export async function prove(
  root: string,
  sabotages: readonly Sabotage[],
  onProven: (law: string, fault: string | undefined) => void,
  check: Check = checkByVitest,
): Promise<string[]> {
  const folder = await copyOf(root);
  try {
    const faults: string[] = [];
    for (const sabotage of sabotages) {
      const fault = await proofFault(folder, sabotage, check);
      onProven(sabotage.law, fault);
      if (fault !== undefined) faults.push(fault);
    }
    return faults;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function proofFault(folder: string, sabotage: Sabotage, check: Check): Promise<string | undefined> {
  const { law, breaks, file, find, replace, test } = sabotage;
  const before = await check(folder, test, law);
  if (before !== 'passed') return `${law}: ${test} without sabotage: ${before}.`;
  const path = join(folder, file);
  const text = await readFile(path, 'utf8');
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
  const after = await check(folder, test, law);
  await writeFile(path, text);
  return after === 'failed' ? undefined : `${law}: ${test} does not notice: ${breaks} (${after})`;
}

/** The files that Git knows or would add, as they are now, with the packages of the checkout. */
async function copyOf(root: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dragonfly-sabotage-'));
  const listed = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
  const { stdout } = await run('git', listed, { cwd: root, maxBuffer: 2 ** 26 });
  for (const file of stdout.split('\0').filter(Boolean)) {
    await cp(join(root, file), join(folder, file), { verbatimSymlinks: true }).catch(ignoreMissing);
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** A file that was deleted and is still known to Git. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

const checkByVitest: Check = async (folder, test, law) => {
  const report = join(folder, '.dragonfly-report.json');
  const command = ['node_modules/vitest/vitest.mjs', 'run', test, '--testNamePattern', `\\[${law}\\]`];
  await run(process.execPath, [...command, '--reporter=json', `--outputFile=${report}`], {
    cwd: folder,
    timeout: CHECK_TIMEOUT_MS,
    maxBuffer: 2 ** 26,
  }).catch(() => undefined); // The report says what failed.
  const text = await readFile(report, 'utf8').catch(() => undefined);
  await rm(report, { force: true });
  if (text === undefined) return 'no test ran';
  const named = testsOf(JSON.parse(text) as VitestReport, folder).filter(({ titles }) =>
    titles.some((title) => lawsNamedIn(title).includes(law)),
  );
  const statuses = new Set(named.map(({ status }) => status));
  if (statuses.has('failed')) return 'failed';
  return statuses.has('passed') ? 'passed' : 'no test ran';
};
