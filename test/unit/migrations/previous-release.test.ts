import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../..');
/** Whoever runs this in a hook of Git has variables that point at that repository, and vitest has some for itself. */
const ENVIRONMENT = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:GIT_|VITEST)/.test(name))),
  GIT_CONFIG_GLOBAL: '/dev/null',
};

/** Of the release: with its own code it looks at the migrations that are there. */
const CONTRACT_TEST = `import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
it('has ops.old', () => {
  const file = new URL('../../../migrations/20270101000000_first.up.sql', import.meta.url);
  expect(readFileSync(file, 'utf8')).toContain('ops.old');
});`;

const GRANTS = 'src/adapters/outbound/postgres/expected-grants.ts';
/** As `npm run generate` writes them. */
const grants = (...functions: string[]): string =>
  `export const EXPECTED_GRANTS = ${JSON.stringify(functions.map((name) => ['api', 'function', name, 'execute']))};`;

/** A repository of its own. */
async function checkout() {
  const folder = await mkdtemp(join(tmpdir(), 'previous-release-test-'));
  onTestFinished(async () => await rm(folder, { recursive: true }));
  const git = async (...options: string[]) =>
    await run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...options], {
      cwd: folder,
      env: ENVIRONMENT,
    });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await mkdir(join(folder, 'migrations'));
  await mkdir(join(folder, 'test/contract/sql'), { recursive: true });
  await writeFile(join(folder, '.gitignore'), 'node_modules\n');
  await mkdir(join(folder, dirname(GRANTS)), { recursive: true });
  await writeFile(join(folder, 'test/contract/sql/old.test.ts'), CONTRACT_TEST);
  await writeFile(join(folder, GRANTS), grants('ops.f(integer)'));
  await git('init', '--quiet');
  return {
    git,
    async commit(up: string): Promise<void> {
      await writeFile(join(folder, 'migrations/20270101000000_first.up.sql'), up);
      await git('add', '.');
      await git('commit', '--quiet', '--message', 'A change');
    },
    /** Which a new release does not have any more. */
    async withoutTests(): Promise<void> {
      await rm(join(folder, 'test'), { recursive: true });
    },
    async grant(...functions: string[]): Promise<void> {
      await writeFile(join(folder, GRANTS), grants(...functions));
    },
    async tested(...options: string[]): Promise<{ status: number; output: string }> {
      const script = join(ROOT, 'scripts/previous-release.ts');
      try {
        const { stdout } = await run(process.execPath, [script, ...options], {
          cwd: folder,
          env: ENVIRONMENT,
        });
        return { status: 0, output: stdout };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { status: code, output: stdout + stderr };
      }
    },
  };
}

const LONG = 60_000;

describe('[DATA-4] the contract tests of the release before', () => {
  it(
    'could not run while there is no release, which passes only for who says so',
    { timeout: LONG },
    async () => {
      const { git, commit, tested } = await checkout();
      const unchecked = {
        status: 77,
        output: expect.stringContaining('NOT CHECKED: there is no release before'),
      };
      await commit('create table ops.old ();');
      await git('tag', 'nightly');
      expect(await tested()).toEqual(unchecked);
      await git('tag', 'v1.0.0');
      expect(await tested()).toEqual(unchecked);
      expect(await tested('--unless-first')).toEqual({ ...unchecked, status: 0 });
    },
  );

  it('run on the new migrations, whatever tests there are now', { timeout: LONG }, async () => {
    const { git, commit, withoutTests, tested } = await checkout();
    await commit('create table ops.old ();');
    await git('tag', 'v1.0.0');
    await withoutTests();
    await commit('create table ops.old (n integer);');
    const { status, output } = await tested();
    expect(output).toContain('The contract tests of v1.0.0');
    expect(output).toMatch(/Tests .*1 passed/);
    expect(status).toBe(0);
  });

  it('are those of a commit without a tag that is said, and need it here', { timeout: LONG }, async () => {
    const { git, commit, withoutTests, tested } = await checkout();
    await commit('create table ops.old ();');
    const base = (await git('rev-parse', 'HEAD')).stdout.trim();
    await withoutTests();
    await commit('create table ops.new ();');
    const { status, output } = await tested('--unless-first', '--base', base);
    expect(output).toMatch(/Tests .*1 failed/);
    expect(status).toBe(1);
    const missing = '0'.repeat(40);
    expect(await tested('--unless-first', '--base', missing)).toMatchObject({
      status: 1,
      output: expect.stringContaining(`git fetch origin ${missing}`),
    });
  });

  it('fail for what breaks it, also in the commit that is tagged', { timeout: LONG }, async () => {
    const { git, commit, withoutTests, tested } = await checkout();
    await commit('create table ops.old ();');
    await git('tag', 'v1.0.0');
    await withoutTests();
    await commit('create table ops.new ();');
    await git('tag', 'v1.1.0');
    const { status, output } = await tested();
    expect(output).toMatch(/Tests .*1 failed/);
    expect(status).toBe(1);
  });

  it(
    'find its grants, of a function with more parameters, too, and not one that is gone',
    { timeout: LONG },
    async () => {
      const { git, commit, grant, tested } = await checkout();
      await commit('create table ops.old ();');
      await git('tag', 'v1.0.0');
      await grant('ops.f(integer, text)', 'ops.g()');
      await commit('create table ops.old (n integer);');
      expect(await tested()).toMatchObject({ status: 0 });
      await grant('ops.g()');
      const { status, output } = await tested();
      expect(output).toContain('v1.0.0 needs a grant that is gone: api function ops.f execute');
      expect(status).toBe(1);
    },
  );
});
