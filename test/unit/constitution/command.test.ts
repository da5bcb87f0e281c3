import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, vi } from 'vitest';
import { checkout, commit, git, write } from './checkout.ts';

const run = promisify(execFile);
const SCRIPT = resolve(import.meta.dirname, '../../../scripts/constitution/main.ts');

// Each test starts several processes.
vi.setConfig({ testTimeout: 60_000 });

const page = (version: string, ...laws: string[]) =>
  `Version ${version}. Last audit: 2026-01-31.\n\n${laws.join('\n')}\n\n| ${version} | 2026-01-31 | @ada, @grace |\n`;
const FILES = {
  'docs/constitution.md': page('1.0.0', '- **OBS-1** Logs.', '- **OBS-2** More.\n  _Not adopted: later._'),
  'waivers.yaml': 'waivers: []\n',
  '.ci/run': "step '[OBS-1] scan' .ci/scan\n",
  'test/a.test.ts': `it(${JSON.stringify('[OBS-1] logs')}, x);\n`,
};

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
const constitution = async (folder: string, ...options: string[]): Promise<Answer> =>
  await run(process.execPath, [SCRIPT, ...options], { cwd: folder }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => error as Answer,
  );

/** What the gate leaves. */
const results = (folder: string, hash: string, status: string) => ({
  '.dragonfly/results/commit': `${hash}\n`,
  '.dragonfly/results/scan.tsv': '0\t[OBS-1] scan\n',
  '.dragonfly/results/another.tsv': '1\tanother\n',
  '.dragonfly/results/test.json': JSON.stringify({
    testResults: [
      {
        name: join(folder, 'test/a.test.ts'),
        assertionResults: [{ ancestorTitles: [], title: '[OBS-1] logs', status }],
      },
    ],
  }),
});

it('prints law by law what enforces it, and exits with 0', async () => {
  const folder = await checkout(FILES);
  const { code, stdout } = await constitution(folder);
  expect(stdout).toContain('OBS-1  Logs.\n  not run   test: test/a.test.ts: [OBS-1] logs\n');
  expect(stdout).toContain('OBS-2  More.\n  not adopted: later.\n');
  expect(stdout).toContain('2 laws, 1 enforced (0 in part), 0 waived, 1 not adopted');
  expect(code).toBe(0);
  expect((await constitution(folder, '--quiet')).stdout).not.toContain('[OBS-1]');
});

it('judges the last run of the gate while the files are those that it ran on', async () => {
  const folder = await checkout(FILES);
  const hash = await git(folder, 'rev-parse', 'HEAD');
  expect(await constitution(folder, '--gate')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('.ci/run has not run on these files'),
  });
  await write(folder, results(folder, hash, 'passed'));
  expect(await constitution(folder, '--gate')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('  passed    test: test/a.test.ts'),
  });
  await write(folder, results(folder, hash, 'skipped'));
  const { code, stdout } = await constitution(folder, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    version: '1.0.0',
    commit: hash,
    laws: [
      { id: 'OBS-1', state: 'enforced', enforcements: [{ result: 'skipped' }, { result: 'passed' }] },
      { id: 'OBS-2' },
    ],
    faults: ['OBS-1: skipped in the gate: test/a.test.ts: [OBS-1] logs'],
  });
  await write(folder, { 'test/b.test.ts': '' });
  expect((await constitution(folder)).code).toBe(0);
  expect((await constitution(folder, '--gate')).code).toBe(1);
});

it('[DOC-2] compares with the constitution of the last release', async () => {
  const folder = await checkout(FILES);
  await git(folder, 'tag', 'v1.0.0');
  await write(folder, { 'docs/constitution.md': page('1.0.0', '- **OBS-1** All logs.') });
  await commit(folder);
  const amended = await constitution(folder);
  expect(amended.stdout).toContain('a major amendment since 1.0.0');
  expect(amended.code).toBe(1);
  await write(folder, { 'docs/constitution.md': page('2.0.0', '- **OBS-1** All logs.') });
  expect((await constitution(folder)).code).toBe(0);
});

it('takes warnings for faults when it is strict', async () => {
  const old = FILES['docs/constitution.md'].replace('2026-01-31', '2020-01-31');
  const folder = await checkout({ ...FILES, 'docs/constitution.md': old });
  expect(await constitution(folder)).toMatchObject({ code: 0, stdout: expect.stringContaining('warning: ') });
  expect((await constitution(folder, '--strict')).code).toBe(1);
});

it.for([['--no-such'], ['OBS-1'], ['--sample', '3'], ['--prove', '--sample', 'x'], ['--prove', 'OBS-1']])(
  'exits with 2 after %j',
  async (options) => {
    const answer = await constitution(await checkout(FILES), ...options);
    expect(answer.code).toBe(2);
    expect(answer.stderr).toMatch(/Usage|test.sabotage has none/);
  },
);

it('is a command of dragonfly, with its options and its exit code', async () => {
  const main = resolve(import.meta.dirname, '../../../src/main.ts');
  const answer = await run(process.execPath, [main, 'constitution', '--no-such']).catch(
    (error: unknown) => error,
  );
  expect(answer).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage: dragonfly constitution') });
});
