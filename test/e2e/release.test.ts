import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { freePort } from '#dev/servers/ports.ts';
import type { GateCheck } from '#src/application/gate/check.ts';
import type { Left } from '#src/application/release/release.ts';
import { runRelease, runRollback } from '#src/composition/release/run.ts';
import { testDatabase } from '#test/support/database.ts';
import { processesOf } from '#test/support/processes.ts';
import { holding, isFrozen, serving } from '#test/support/release.ts';
import { type ReleaseInstructions, setupFrom } from '#test/support/release-process.ts';
import { testClient, testEnvironment } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { afterAll, describe, expect, inject, it, vi } from 'vitest';

// Each starts processes, and applies the migrations to a scratch database.
vi.setConfig({ testTimeout: 60_000 });

const CHECKOUT = resolve(import.meta.dirname, '../..');
const ORIGIN = 'https://app.example.com';

const database = await testDatabase();
const { key } = await testClient(database, 'http://127.0.0.1', 'smoke', 'service');
const owner = new Client({ connectionString: database.urls.owner });
await owner.connect();
const scratch = mkdtempSync(join(tmpdir(), 'release-'));
const [root, folder] = [join(scratch, 'checkout'), join(scratch, 'processes')];
afterAll(async () => {
  for (const pid of processesOf(scratch).keys()) process.kill(pid, 'SIGKILL');
  await owner.end();
  rmSync(scratch, { recursive: true });
});

const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], {
    cwd: root,
    encoding: 'utf8',
  }).trim();

function prepare(): void {
  for (const path of [root, join(root, 'openapi'), join(root, 'migrations'), join(folder, 'releases')])
    mkdirSync(path, { recursive: true });
  git('init', '--quiet');
  for (const path of ['package-lock.json', 'openapi/openapi.json']) writeFileSync(join(root, path), '{}');
  const variables = { ...testEnvironment(database), LOG_LEVEL: 'info', DRAGONFLY_CORS_ORIGINS: ORIGIN };
  const lines = Object.entries(variables).map(([name, value]) => `${name}="${value ?? ''}"`);
  writeFileSync(join(folder, 'service.env'), lines.join('\n'));
}
prepare();

/** A commit, and what it starts: the service, changed by `change`. */
function commitOf(change = ''): string {
  git('add', '.');
  git('commit', '--quiet', '--allow-empty', '--message', 'a release');
  const sha = git('rev-parse', 'HEAD');
  mkdirSync(join(folder, 'releases', sha));
  const start = `${change}\nawait import(${JSON.stringify(join(CHECKOUT, 'src/main.ts'))});\n`;
  writeFileSync(join(folder, 'releases', sha, 'start.mjs'), start);
  return sha;
}

const check = (program: string): GateCheck => ({
  name: 'check',
  holds: 'it is so',
  command: [process.execPath, '--eval', program],
  environments: ['dev'],
  verdict: 'exit code',
  timeoutMs: 20_000,
});

const { credentials, adminUrl } = inject('cluster');
const port = await freePort(20_000 + Math.floor(Math.random() * 10_000));
const instructions = (sha: string, changes: Partial<ReleaseInstructions> = {}): ReleaseInstructions => ({
  env: 'dev',
  environment: {
    PATH: process.env['PATH'],
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
    DRAGONFLY_ADMIN_DATABASE_URL: adminUrl,
    DRAGONFLY_API_DATABASE_URL: database.urls.api,
    DRAGONFLY_WORKER_DATABASE_URL: database.urls.worker,
    DRAGONFLY_API_ROLE: credentials.api.name,
    DRAGONFLY_WORKER_ROLE: credentials.worker.name,
    DRAGONFLY_READONLY_ROLE: credentials.readonly.name,
    DRAGONFLY_RELEASE_ACTOR: 'the test',
  },
  root,
  sha,
  strict: true,
  allowedOrigin: ORIGIN,
  smokeKey: key,
  smokeWaitMs: 1500,
  opsToken: undefined,
  watchMs: 500,
  allowDown: false,
  gateReport: undefined,
  gateTable: [check('')],
  expected: ['postgres-settings', 'credential-source'],
  folder,
  port,
  ...changes,
});

const never = new AbortController().signal;
const releasing = async (sha: string, changes?: Partial<ReleaseInstructions>): Promise<Left> =>
  (await runRelease({ ...setupFrom(instructions(sha, changes)), signal: never }, false)) as Left;

/** A release in a process of its own. */
function begin(sha: string, changes?: Partial<ReleaseInstructions>): ChildProcess {
  const program = resolve(import.meta.dirname, '../support/release-process.ts');
  return spawn(process.execPath, [program, JSON.stringify(instructions(sha, changes))], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Until a phase is under way. */
async function reaching(phase: string, sha: string): Promise<void> {
  await until(async () => {
    const { rows } = await owner.query<{ phase: string }>(
      `select p ->> 'name' as phase from ops.deployments, jsonb_array_elements(phases) p
        where git_sha = $1 and status = 'running' and p ->> 'status' = 'running'`,
      [sha],
    );
    expect(rows[0]?.phase).toBe(phase);
  });
}

/** Stops a release in the middle of a phase, which is let go then. @returns what the log says of it */
async function stopIn(
  phase: string,
  sha: string,
  child: ChildProcess,
  letGo?: () => Promise<void>,
): Promise<string | undefined> {
  await reaching(phase, sha);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await letGo?.();
  await ended;
  const { rows } = await owner.query<{ status: string }>(
    'select status from ops.deployments where git_sha = $1 order by started_at desc limit 1',
    [sha],
  );
  return rows[0]?.status;
}

describe('[DEP-4] a release of processes', () => {
  const first = commitOf();

  it('brings the first commit to serve, and then the second in its place', async () => {
    const { deployment } = await releasing(first);
    expect(deployment.phases.map(({ name, status, summary }) => `${name} ${status} ${summary}`)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^verify done \d+ looked at/)]),
    );
    expect(deployment).toMatchObject({ status: 'succeeded', previousSha: null, actor: 'the test' });
    expect(await serving(folder)).toBe(first);

    const second = commitOf();
    expect((await releasing(second)).deployment).toMatchObject({ status: 'succeeded', previousSha: first });
    expect(await serving(folder)).toBe(second);
    expect([...processesOf(folder).values()].filter((line) => line.includes(first))).toEqual([]);
  });

  it('goes back at once when the smoke test is red, and is red itself', async () => {
    const before = await serving(folder);
    const bad = commitOf("process.env.DRAGONFLY_CORS_ORIGINS = '';");
    const { deployment, message } = await releasing(bad);
    expect(deployment.status).toBe('rolled_back');
    expect(message).toContain('cors-allowed');
    expect(await serving(folder)).toBe(before);
    expect(await isFrozen(owner)).toBe(false);
  });

  it('goes back when the new process does not start, without a break of the old one', async () => {
    const before = await serving(folder);
    const { deployment, message } = await releasing(commitOf('process.exit(3);'));
    expect(deployment.status).toBe('rolled_back');
    expect(message).toContain('does not start');
    expect(await serving(folder)).toBe(before);
  });

  it('is gone on with after SIGKILL in the middle of its deploy', async () => {
    const sha = commitOf();
    const child = begin(sha);
    await reaching('deploy', sha);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await isFrozen(owner)).toBe(true);
    const { deployment } = await until(async () => await releasing(sha));
    expect(deployment).toMatchObject({ status: 'succeeded', gitSha: sha });
    expect(await serving(folder)).toBe(sha);
    expect(await isFrozen(owner)).toBe(false);
  });

  it('unfreezes at SIGTERM in its gate, and has ended', async () => {
    const before = await serving(folder);
    const sha = commitOf();
    const child = begin(sha, { gateTable: [check('setTimeout(() => {}, 60_000)')] });
    await reaching('hard-gate', sha);
    expect(await isFrozen(owner)).toBe(true);
    await expect(releasing(sha)).rejects.toThrow('Another release or rollback of dev is being run');
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(await isFrozen(owner)).toBe(false);
    expect(await serving(folder)).toBe(before);
    const { rows } = await owner.query('select status from ops.deployments where git_sha = $1', [sha]);
    expect(rows).toEqual([{ status: 'aborted' }]);
  });

  it('changes nothing any more once it has lost its lock, and is gone on with', async () => {
    const sha = commitOf();
    const gateTable = [check('setTimeout(() => {}, 60_000)')];
    const ended = releasing(sha, { gateTable }).then(
      () => 'ended',
      (error: unknown) => String(error),
    );
    await reaching('hard-gate', sha);
    await owner.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'dragonfly-release'",
    );
    expect(await ended).toContain('The connection that held the lock of this release broke.');
    expect(await isFrozen(owner)).toBe(true);
    expect((await releasing(sha)).deployment.status).toBe('succeeded');
  });

  describe('stopped by SIGTERM', () => {
    const QUEUES = 'lock table ops.queue_pause';
    const MIGRATIONS = 'select pg_advisory_xact_lock(5527, 1)';

    /** Accepts connections and says nothing. */
    const mute = createServer().listen(0, '127.0.0.1');
    afterAll(() => mute.close());
    const withMute = (sha: string, variable: string): Partial<ReleaseInstructions> => {
      const url = new URL(database.urls.owner);
      url.port = String((mute.address() as AddressInfo).port);
      return { environment: { ...instructions(sha).environment, [variable]: url.href } };
    };

    it.each<[string, (sha: string) => Partial<ReleaseInstructions>, string?]>([
      ['freeze', () => ({}), QUEUES],
      ['soft-gate', (sha) => withMute(sha, 'DRAGONFLY_API_DATABASE_URL')],
      ['migrate', () => ({}), MIGRATIONS],
      ['verify', (sha) => withMute(sha, 'DRAGONFLY_ADMIN_DATABASE_URL')],
    ])('in %s, leaves everything as it was', async (phase, changes, lock) => {
      const before = await serving(folder);
      const sha = commitOf();
      const letGo = lock === undefined ? undefined : await holding(database.urls.owner, lock);
      expect(await stopIn(phase, sha, begin(sha, changes(sha)), letGo)).toBe('aborted');
      expect(await isFrozen(owner)).toBe(false);
      expect(await serving(folder)).toBe(before);
    });

    it('in deploy, unfreeze, smoke and watch, waits and is gone on with', async () => {
      const sha = commitOf('await new Promise((done) => setTimeout(done, 2000));');
      expect(await stopIn('deploy', sha, begin(sha))).toBe('running');
      expect(await isFrozen(owner)).toBe(true);

      const child = begin(sha);
      await reaching('deploy', sha);
      expect(await stopIn('unfreeze', sha, child, await holding(database.urls.owner, QUEUES))).toBe(
        'running',
      );
      expect(await isFrozen(owner)).toBe(false);

      const unlike = { allowedOrigin: 'https://x.example.com', smokeWaitMs: 60_000 };
      expect(await stopIn('smoke', sha, begin(sha, unlike))).toBe('running');
      expect(await stopIn('watch', sha, begin(sha, { watchMs: 60_000 }))).toBe('running');
      expect((await releasing(sha)).deployment.status).toBe('succeeded');
      expect(await serving(folder)).toBe(sha);
    });
  });

  it('[DEP-5] is rolled back to the last good commit, which the log knows', async () => {
    const { rows } = await owner.query<{ git_sha: string }>(
      "select git_sha from ops.deployments where status = 'succeeded' order by started_at desc",
    );
    const setup = { ...setupFrom(instructions((await serving(folder)) ?? '')), signal: never };
    const { deployment } = (await runRollback(setup, { to: undefined, dryRun: false })) as Left;
    expect(deployment).toMatchObject({ kind: 'rollback', status: 'succeeded', gitSha: rows[1]?.git_sha });
    expect(await serving(folder)).toBe(rows[1]?.git_sha);
  });
});
