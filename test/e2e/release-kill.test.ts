import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import { freePort } from '#dev/servers/ports.ts';
import { postgres } from '#dev/servers/postgres.ts';
import { requireServer } from '#dev/servers/resolve.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { httpCaller } from '#src/adapters/outbound/http-client/caller.ts';
import { postgresDeploymentLog } from '#src/adapters/outbound/postgres/deployment-log.ts';
import { readMigrations } from '#src/adapters/outbound/postgres/migrations.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { hashesOf } from '#src/composition/gate/checkout.ts';
import { checksOf } from '#src/composition/gate/checks.ts';
import { issueApiKey } from '#src/composition/keys.ts';
import { localProcesses } from '#src/composition/release/targets.ts';
import { processesOf } from '#test/support/processes.ts';
import { holding, isFrozen, serving } from '#test/support/release.ts';
import { testEnvironment } from '#test/support/service.ts';
import { tcpProxy } from '#test/support/tcp-proxy.ts';
import { until } from '#test/support/until.ts';
import { afterAll, expect, it, vi } from 'vitest';

/**
 * The command line itself, in a checkout of its own with one more migration, on a server of its own, because the doctor of a release
 * wants one that keeps what it is told. The gate is a report of before, of a real shape; all else is as it is for everybody.
 */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 60_000 });

const CHECKOUT = resolve(import.meta.dirname, '../..');
const IS_BUILT = process.env['TEST_BUILT'] === '1';
const ENTRY = IS_BUILT ? 'dist/main.js' : 'src/main.ts';
const ORIGIN = 'https://app.example.com';

const scratch = mkdtempSync(join(tmpdir(), 'release-kill-'));
const [root, folder, report] = ['checkout', 'processes', 'gate.json'].map((name) => join(scratch, name)) as [
  string,
  string,
  string,
];
const directory = temporaryDirectory('release');
const server = await requireServer(postgres, { directory });
await server.ready;

const urlOf = (role: string): string => {
  const url = new URL(server.url);
  return Object.assign(url, {
    username: `dragonfly_${role}`,
    password: randomBytes(24).toString('base64url'),
    pathname: '/app',
  }).href;
};
const urls = {
  owner: urlOf('owner'),
  api: urlOf('api'),
  worker: urlOf('worker'),
  readonly: urlOf('readonly'),
};
const [apiProxy, adminProxy] = [await tcpProxy(urls.api), await tcpProxy(server.url)];
const common = {
  PATH: process.env['PATH'],
  DRAGONFLY_ENV: 'dev',
  DRAGONFLY_OWNER_DATABASE_URL: urls.owner,
  DRAGONFLY_WORKER_DATABASE_URL: urls.worker,
};
const direct = {
  ...common,
  DRAGONFLY_ADMIN_DATABASE_URL: server.url,
  DRAGONFLY_API_DATABASE_URL: urls.api,
};
await invoke(['roles'], direct);
await invoke(['migrate', 'up'], direct);
const { key } = await issueApiKey({
  databaseUrl: urls.owner,
  organization: 'smoke',
  name: 'smoke',
  role: 'service',
  lifetimeMs: 30 * 86_400_000,
});
const environment = {
  ...common,
  DRAGONFLY_ADMIN_DATABASE_URL: adminProxy.url,
  DRAGONFLY_API_DATABASE_URL: apiProxy.url,
  DRAGONFLY_SMOKE_KEY: key,
};
const owner = new Client({ connectionString: urls.owner });
await owner.connect();

/** Accepts connections and says nothing. */
const mute = createServer().listen(0, '127.0.0.1');
await once(mute, 'listening');

afterAll(async () => {
  for (const pid of processesOf(scratch).keys()) process.kill(pid, 'SIGKILL');
  mute.close();
  await owner.end();
  await Promise.all([apiProxy.close(), adminProxy.close()]);
  await server.stop();
  for (const path of [scratch, directory]) rmSync(path, { recursive: true, force: true });
});

const MIGRATION = '20990101000000_marks';
const ROLLBACK = '20990102000000_marks_rollback_1';
const HELD = { [MIGRATION]: 4242, [ROLLBACK]: 4243 } as const;

/** What it does shows how often it was done; it waits in the middle for whoever holds its lock. */
const sqlOf = (name: keyof typeof HELD, header: string): string =>
  `-- Owner: test\n${header}\n\nselect ops.audit('test.migrated', '${name}', 'done');\nselect pg_advisory_xact_lock(${HELD[name]});\n`;

/** A checkout with one more migration, committed. @returns its commit */
async function prepareCheckout(): Promise<string> {
  const parts = [
    'src',
    'scripts',
    'migrations',
    'docs/database',
    'openapi',
    '.ci',
    ...(IS_BUILT ? ['dist'] : []),
  ];
  for (const path of [...parts, 'package.json', 'package-lock.json'])
    cpSync(join(CHECKOUT, path), join(root, path), { recursive: true });
  symlinkSync(join(CHECKOUT, 'node_modules'), join(root, 'node_modules'));
  const migrations = join(root, 'migrations');
  mkdirSync(join(migrations, 'rollback'), { recursive: true });
  for (const [path, up] of [
    [MIGRATION, sqlOf(MIGRATION, '-- Compatibility: breaks the release before, says the test')],
    [
      `rollback/${ROLLBACK}`,
      sqlOf(ROLLBACK, `-- Compatibility: the release before works again\n-- Takes back: ${MIGRATION}`),
    ],
  ] as const) {
    writeFileSync(join(migrations, `${path}.up.sql`), up);
    writeFileSync(join(migrations, `${path}.down.sql`), 'select;\n');
  }
  // As `npm run generate` would leave it.
  const state = join(root, 'docs/database/verify_db_state.sql');
  const checksum = (await readMigrations(migrations)).find(({ name }) => name === MIGRATION)?.checksum;
  const line = `  values\n    ('migration ${MIGRATION}', '${checksum ?? ''}'),\n`;
  writeFileSync(
    state,
    readFileSync(state, 'utf8').replace(
      /(expected \(subject, definition\) as \(\n) {2}values\n/,
      `$1${line}`,
    ),
  );
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], {
      cwd: root,
      encoding: 'utf8',
    }).trim();
  git('init', '--quiet');
  writeFileSync(join(root, '.git/info/exclude'), 'node_modules\ndist\n');
  git('add', '.');
  git('commit', '--quiet', '--message', 'a release with a migration');
  return git('rev-parse', 'HEAD');
}

/** What `npm run build` makes of a commit: here always the service of this checkout. */
function build(sha: string): void {
  const release = join(folder, 'releases', sha);
  mkdirSync(join(release, 'dist'), { recursive: true });
  writeFileSync(join(release, 'package.json'), '{"type":"module"}');
  writeFileSync(join(release, 'dist/main.js'), `await import(${JSON.stringify(join(CHECKOUT, ENTRY))});\n`);
}

const OLD = 'a'.repeat(40);
const port = await freePort(20_000 + Math.floor(Math.random() * 10_000));
const target = localProcesses(folder, port);

/** A commit that serves well, and is in the log. */
async function releaseOld(): Promise<void> {
  build(OLD);
  const variables = {
    ...testEnvironment({ name: 'app', urls: { ...urls, admin: server.url } }),
    LOG_LEVEL: 'info',
    DRAGONFLY_CORS_ORIGINS: ORIGIN,
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}="${value ?? ''}"`);
  writeFileSync(join(folder, 'service.env'), lines.join('\n'));
  const http = httpCaller();
  const signal = new AbortController().signal;
  await target.open(http).deploy({ sha: OLD, id: 'none', signal, progress: () => {} });
  await http.close();
  const newest = (await readMigrations(join(CHECKOUT, 'migrations'))).at(-1)?.name ?? '';
  await withPool({ url: urls.owner }, 'test', async (pool) => {
    await postgresDeploymentLog(async (statement) => await query(pool, statement)).save({
      id: crypto.randomUUID(),
      env: 'dev',
      kind: 'release',
      gitSha: OLD,
      previousSha: null,
      target: target.name,
      actor: 'somebody',
      startedAt: '2026-11-28T00:00:00Z',
      endedAt: '2026-11-28T00:20:00Z',
      status: 'succeeded',
      phases: [],
      gate: null,
      schema: newest,
      migrations: [],
      schemaChange: null,
    });
  });
}

function writeReport(sha: string): void {
  rmSync(report);
  const checks = checksOf('dev', { strict: false, releasing: true });
  const content = {
    sha,
    env: 'dev',
    strict: false,
    started_at: new Date().toISOString(),
    passed: true,
    hashes: hashesOf(root),
    checks: checks.map(({ name }) => ({ name, verdict: 'pass' })),
    logs: null,
  };
  writeFileSync(report, JSON.stringify(content));
}

const WHERE = ['--env', 'dev', '--target', 'process', '--process-dir', folder, '--port', String(port)];
const HOW = ['--allowed-origin', ORIGIN, '--wait', '60s', '--json'];
const RELEASE = ['release', ...WHERE, ...HOW, '--watch', '2s', '--gate-report', report];
const BACK = ['rollback', ...WHERE, ...HOW];

function run(args: readonly string[]) {
  const startedAt = new Date();
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(
    process.execPath,
    [join(root, ENTRY), ...args],
    { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const output = Promise.all([text(child.stdout), text(child.stderr)]).then((parts) => parts.join(''));
  return { child, startedAt, output };
}

/** Runs the command until a phase is under way, and as far as `point` waits for, and kills it there. */
async function killIn(phase: string, args: readonly string[], point: () => Promise<void> = async () => {}) {
  const { child, startedAt, output } = run(args);
  const tooEarly = output.then((said) => {
    throw new Error(`It ended before ${phase}: ${said}`);
  });
  tooEarly.catch(() => {}); // Later it is to end.
  const reached = until(async () => {
    const { rows } = await owner.query<{ phase: string }>(
      `select p ->> 'name' as phase from ops.deployments, jsonb_array_elements(phases) p
        where status = 'running' and p ->> 'status' = 'running' and (p ->> 'startedAt')::timestamptz >= $1`,
      [startedAt],
    );
    expect(rows.map((row) => row.phase)).toContain(phase);
    await point();
  }, 60_000);
  await Promise.race([reached, tooEarly]);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  expect(await ended).toEqual([null, 'SIGKILL']);
}

/** While the migration waits in the middle of what it does. */
const killInMigration = async (phase: string, args: readonly string[], name: keyof typeof HELD) => {
  const letGo = await holding(urls.owner, `select pg_advisory_xact_lock(${HELD[name]})`);
  await killIn(phase, args, async () => {
    const { rows } = await owner.query(
      "select from pg_locks where locktype = 'advisory' and objid = $1 and not granted",
      [HELD[name]],
    );
    expect(rows).toHaveLength(1);
  });
  await letGo();
};

/** While somebody else holds a lock that the phase needs. */
async function killWaiting(phase: string, args: readonly string[], lock: string): Promise<void> {
  const letGo = await holding(urls.owner, lock);
  await killIn(phase, args);
  await letGo();
}

/** As soon as a process of the commit has begun. */
const killInDeploy = async (phase: string, args: readonly string[], sha: string): Promise<void> =>
  await killIn(phase, args, async () => {
    await Promise.resolve();
    expect([...processesOf(folder).values()].some((line) => line.includes(sha))).toBe(true);
  });

/** While the service does not answer where it is looked for. */
async function killWithoutAnswer(phase: string, args: readonly string[]): Promise<void> {
  const file = join(folder, 'current.json');
  const current = readFileSync(file, 'utf8');
  const url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(current) as object), url }));
  await killIn(phase, args);
  writeFileSync(file, current);
}

async function finish(args: readonly string[]): Promise<unknown> {
  const { child, output } = run(args);
  const [code] = (await once(child, 'exit')) as [number];
  const said = await output;
  expect(said).toContain('"status": "succeeded"');
  expect(code).toBe(0);
  return JSON.parse(said);
}

/** How often a migration did what it does. */
async function timesApplied(name: string): Promise<number> {
  const { rows } = await owner.query<{ count: number }>(
    "select count(*)::integer as count from ops.audit_log where action = 'test.migrated' and target = $1",
    [name],
  );
  return rows[0]?.count ?? 0;
}

const NOBODY_FREEZES = 'lock table ops.queue_pause in exclusive mode';
const NOBODY_UNFREEZES = 'select from ops.queue_pause for update';

const sha = await prepareCheckout();
build(sha);
await releaseOld();

it('[DEP-4] [DEP-2] a release with a migration that is killed in each of its phases is gone on with by the same command', async () => {
  await killWaiting('freeze', RELEASE, NOBODY_FREEZES);
  execFileSync('mkfifo', [report]);
  await killIn('hard-gate', RELEASE);
  writeReport(sha);
  apiProxy.freeze();
  await killIn('soft-gate', RELEASE);
  apiProxy.thaw();
  await killInMigration('migrate', RELEASE, MIGRATION);
  adminProxy.freeze();
  await killIn('verify', RELEASE);
  adminProxy.thaw();
  expect(await isFrozen(owner)).toBe(true);
  expect(await serving(folder)).toBe(OLD);
  await killInDeploy('deploy', RELEASE, sha);
  await killWaiting('unfreeze', RELEASE, NOBODY_UNFREEZES);
  await killWithoutAnswer('smoke', RELEASE);
  await killIn('watch', RELEASE);

  expect(await finish(RELEASE)).toMatchObject({
    git_sha: sha,
    previous_sha: OLD,
    migrations: [MIGRATION],
    phases: [
      'freeze',
      'hard-gate',
      'soft-gate',
      'migrate',
      'verify',
      'deploy',
      'unfreeze',
      'smoke',
      'watch',
    ].map((name) => ({ name, status: 'done' })),
    schema_change: { triage: [], impact: [{ name: MIGRATION, is_breaking: true, rollback: ROLLBACK }] },
  });
  expect(await serving(folder)).toBe(sha);
  expect(await isFrozen(owner)).toBe(false);
  expect(await timesApplied(MIGRATION)).toBe(1);
  expect(await timesApplied(ROLLBACK)).toBe(0);
  const { rows } = await owner.query('select status from ops.deployments where git_sha = $1', [sha]);
  expect(rows).toEqual([{ status: 'succeeded' }]);
});

it('[DEP-4] [DATA-2] a way back that is killed in each of its phases goes on, and takes the migration back by a new one', async () => {
  await killWaiting('rollback-freeze', BACK, NOBODY_FREEZES);
  await killInMigration('rollback-migrate', BACK, ROLLBACK);
  expect(await serving(folder)).toBe(sha);
  await killInDeploy('rollback-deploy', BACK, OLD);
  await killWaiting('rollback-unfreeze', BACK, NOBODY_UNFREEZES);
  await killWithoutAnswer('rollback-smoke', BACK);

  expect(await finish(BACK)).toMatchObject({ kind: 'rollback', git_sha: OLD, previous_sha: sha });
  expect(await serving(folder)).toBe(OLD);
  expect(await isFrozen(owner)).toBe(false);
  expect(await timesApplied(ROLLBACK)).toBe(1);
  const { rows } = await owner.query('select name from migration.applied order by name desc limit 2');
  expect(rows).toEqual([{ name: ROLLBACK }, { name: MIGRATION }]);
});
