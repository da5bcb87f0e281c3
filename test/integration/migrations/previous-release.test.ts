import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject, it, onTestFinished } from 'vitest';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../..');
/** One that takes a second. */
const CONTRACT = 'test/contract/sql/operators.test.ts';

/** The servers of this run, and nothing of the repository or the vitest that it runs in. */
function environment(): NodeJS.ProcessEnv {
  const urls = Object.entries({ TEST_REDIS_URL: inject('redis'), TEST_AMQP_URL: inject('rabbitmq') });
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:GIT_|VITEST)/.test(name))),
    ...Object.fromEntries(urls.flatMap(([name, server]) => ('url' in server ? [[name, server.url]] : []))),
    TEST_DATABASE_URL: inject('cluster').adminUrl,
    GIT_CONFIG_GLOBAL: '/dev/null',
  };
}

/** A clone of this repository, whose commit is released. */
async function released() {
  const folder = await mkdtemp(join(tmpdir(), 'previous-release-'));
  onTestFinished(async () => await rm(folder, { recursive: true }));
  const env = environment();
  const git = async (...options: string[]) =>
    await run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...options], {
      cwd: folder,
      env,
    });
  await git('clone', '--quiet', '--shared', ROOT, folder);
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await git('tag', 'v9999.0.0');
  return {
    async migrate(name: string, up: string): Promise<void> {
      const header = '-- Owner: platform\n-- Compatibility: additive\n\n';
      await writeFile(join(folder, `migrations/${name}.up.sql`), header + up);
      await writeFile(join(folder, `migrations/${name}.down.sql`), 'select;\n');
      await git('add', 'migrations');
      await git('commit', '--quiet', '--message', name);
    },
    async tested(): Promise<{ code: number; stdout: string; stderr: string }> {
      const script = join(ROOT, 'scripts/previous-release.ts');
      return await run(process.execPath, [script, CONTRACT], { cwd: folder, env }).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        (error: unknown) => error as { code: number; stdout: string; stderr: string },
      );
    },
  };
}

it(
  '[DATA-4] the contract tests of a release pass on a schema that expands, and fail on one that breaks a function',
  { timeout: 180_000 },
  async () => {
    const { migrate, tested } = await released();
    await migrate('99990101000000_expand', 'alter table ops.worker add column note text;\n');
    const expanded = await tested();
    expect(expanded.stdout).toMatch(/Tests .*5 passed/);
    expect(expanded.code).toBe(0);

    await migrate('99990102000000_freeze', 'alter function ops.freeze_queues() rename to freeze_all;\n');
    const broken = await tested();
    expect(broken.stderr).toContain('function ops.freeze_queues() does not exist');
    expect(broken.stdout).toMatch(/Tests .*1 failed.*4 passed/);
    expect(broken.code).toBe(1);
  },
);
