import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { Registry } from 'prom-client';
import { afterAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { bootstrapRoles } from '#src/adapters/outbound/postgres/bootstrap-roles.ts';
import { postgresDdlLog } from '#src/adapters/outbound/postgres/ddl-log.ts';
import { directDdlMetrics } from '#src/adapters/outbound/postgres/metrics.ts';
import { migrateDown, migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { listDirectDdl } from '#src/application/migrations/direct-ddl.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { setUp } from './setup.ts';

const { database, owner, options } = await setUp();
const admin = new Client({ connectionString: database.urls.admin, application_name: 'psql' });
await admin.connect();
const poolOf = (url: string) =>
  createPool({
    url,
    applicationName: 'dragonfly-test',
    max: 1,
    acquireTimeoutMs: 2000,
    statementTimeoutMs: 5000,
    onIdleError: () => {},
  });
const pool = poolOf(database.urls.owner);
afterAll(async () => {
  await admin.end();
  await pool.end();
});
const log = postgresDdlLog(async (statement) => await query(pool, statement));

/** What is recorded while this is done; acknowledged afterwards. */
async function recorded(work: () => Promise<unknown>): Promise<string[]> {
  await log.acknowledge('9223372036854775807', 'before the test');
  await work();
  return (await log.unacknowledged()).map(({ command, object }) => `${command} ${object}`);
}

const workThatIsNone = async () => {
  await admin.query('begin; create table public.t (); rollback');
  await admin.query('create temp table t (); drop table t');
  await admin.query(`select ops.make_day('2030-01-01'), ops.drop_day('2030-01-01', now(), 10)`);
  await migrateDown(options);
  await migrateToLatest(options);
};

describe('[DATA-9] DDL outside of migrations', () => {
  it('is recorded, with who did it and by which program', async () => {
    await recorded(async () => await admin.query('create table public.by_hand (n integer)'));
    expect(await log.unacknowledged()).toEqual([
      {
        id: expect.any(String),
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        role: new URL(database.urls.admin).username,
        application: 'psql',
        command: 'CREATE TABLE',
        object: 'table public.by_hand',
      },
    ]);
    expect(await recorded(async () => await admin.query('alter table public.by_hand add m integer'))).toEqual(
      ['ALTER TABLE table public.by_hand'],
    );
    expect(await recorded(async () => await admin.query('drop table public.by_hand'))).toEqual([
      'DROP TABLE table public.by_hand',
    ]);
  });

  it.for([
    [
      'create function public.f() returns integer language sql return 1',
      'CREATE FUNCTION function public.f()',
    ],
    ['grant execute on function public.f() to public', 'GRANT FUNCTION '],
    ['drop function public.f()', 'DROP FUNCTION function public.f()'],
    ["do $$ begin execute 'create sequence public.s'; end $$", 'CREATE SEQUENCE sequence public.s'],
    ['drop sequence public.s', 'DROP SEQUENCE sequence public.s'],
    ["comment on table ops.worker is 'x'", 'COMMENT table ops.worker'],
  ] as const)('of the owner, too: %s', async ([statement, entry]) => {
    expect(await recorded(async () => await owner.query(statement))).toEqual([entry]);
  });

  it('also of who makes triggers silent, as one that replays changes', async () => {
    const work = async () =>
      await admin.query(
        'set session_replication_role = replica; create table public.t (); drop table public.t',
      );
    expect(await recorded(work)).toEqual(['CREATE TABLE table public.t', 'DROP TABLE table public.t']);
    await admin.query('reset session_replication_role');
  });

  it('is not what is rolled back, a temporary table, the upkeep of partitions, or a migration', async () => {
    expect(await recorded(workThatIsNone)).toEqual([]);
  });

  it('can be neither deleted nor denied by who migrates', async () => {
    for (const statement of [
      'delete from ddl_log.entry',
      'drop schema ddl_log cascade',
      'drop event trigger ddl_log_command',
      "update ddl_log.unacknowledged set object = 'other'",
      'create or replace function ddl_log.record() returns event_trigger language plpgsql as $$ begin end $$',
    ]) {
      await expect(owner.query(statement)).rejects.toMatchObject({ code: '42501' });
    }
  });
});

describe('[DATA-9] direct DDL', () => {
  it('[OBS-4] is a figure of the worker, which alerts', async () => {
    const worker = poolOf(database.urls.worker);
    onTestFinished(async () => await worker.end());
    const metrics = new Registry();
    const errors: unknown[] = [];
    directDdlMetrics(metrics, worker, (error) => errors.push(error));
    await recorded(
      async () => await admin.query('create table public.by_hand (); drop table public.by_hand'),
    );
    const text = await metrics.metrics();
    expect(text).toContain('schema_direct_ddl_unacknowledged 2\n');
    expect(text).toContain('schema_direct_ddl_recording 1\n');
    expect(errors).toEqual([]);
  });

  it('blocks until somebody says why it is right, which is in the audit log', async () => {
    await recorded(
      async () => await admin.query('create table public.by_hand (); drop table public.by_hand'),
    );
    const [finding] = await listDirectDdl(log);
    expect(finding).toMatchObject({
      check: 'direct-ddl',
      severity: 'critical',
      summary: '2 changes of the schema outside of migrations',
      explanation: expect.stringMatching(/\(psql\) CREATE TABLE table public\.by_hand; \d+: .* DROP TABLE/),
      mend: expect.stringContaining('migrate acknowledge --up-to'),
    });
    const upTo = (await log.unacknowledged()).at(-1)?.id ?? '';
    const { output } = await invoke(['migrate', 'acknowledge', '--up-to', upTo, '--reason', 'a drill'], {
      DRAGONFLY_ENV: 'dev',
      DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
    });
    expect(output).toBe('acknowledged: 2');
    expect(await listDirectDdl(log)).toMatchObject([{ severity: 'ok' }]);
    const { rows } = await owner.query(
      `select action, target, outcome, detail from ops.audit_log where action = 'schema.acknowledge' order by id desc limit 1`,
    );
    expect(rows).toEqual([
      {
        action: 'schema.acknowledge',
        target: upTo,
        outcome: 'done',
        detail: { reason: 'a drill', entries: 2 },
      },
    ]);
  });

  it('is told of when the record was switched off, and `roles` switches it on again, silently', async () => {
    await recorded(async () => await admin.query('alter event trigger ddl_log_drop disable'));
    expect(await listDirectDdl(log)).toMatchObject([{ severity: 'critical', mend: 'dragonfly roles' }]);
    const { adminUrl, credentials } = inject('cluster');
    const made = await bootstrapRoles({ adminUrl, database: database.name, ...credentials });
    expect(made).toEqual({ recordsDdl: true, refusesLargeObjects: true });
    expect(await listDirectDdl(log)).toMatchObject([{ severity: 'ok' }]);
  });

  it('[DATA-7] each run of `roles` on a migrated database is an act of the administrator in the audit log', async () => {
    const { adminUrl, credentials } = inject('cluster');
    const acts = "select actor, outcome from ops.audit_log where action = 'roles.apply'";
    const { rows: before } = await admin.query(acts);
    await bootstrapRoles({ adminUrl, database: database.name, ...credentials });
    const actor = `role:${new URL(adminUrl).username}`;
    expect((await admin.query(acts)).rows).toEqual([...before, { actor, outcome: 'done' }]);
  });

  it('is not recorded where the administrator is no superuser: `roles` does the rest, and this is said', async () => {
    const { prefix, credentials } = inject('cluster');
    const [role, name] = [`${prefix}_manager`, `${prefix}_managed`].map((text) => escapeIdentifier(text));
    const password = randomBytes(24).toString('base64url');
    await admin.query(`create role ${role} createrole createdb login password '${password}'`);
    const names = Object.values(credentials).map((credential) => escapeIdentifier(credential.name));
    for (const one of names) await admin.query(`grant ${one} to ${role} with admin option`);
    const url = new URL(database.urls.admin);
    [url.username, url.password] = [`${prefix}_manager`, password];
    onTestFinished(async () => {
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.query(`drop owned by ${role}`);
      for (const one of names) await admin.query(`revoke ${one} from ${role} cascade`);
      await admin.query(`drop role ${role}`);
    });
    const made = await bootstrapRoles({
      adminUrl: url.href,
      database: `${prefix}_managed`,
      ...credentials,
    });
    expect(made).toEqual({ recordsDdl: false, refusesLargeObjects: false });
    const owned = new URL(database.urls.owner);
    owned.pathname = `/${prefix}_managed`;
    const client = new Client({ connectionString: owned.href });
    await client.connect();
    onTestFinished(async () => await client.end());
    const other = postgresDdlLog(
      async ({ text }) => (await client.query<Record<string, unknown>>(text)).rows,
    );
    expect(await listDirectDdl(other)).toMatchObject([
      { severity: 'warning', summary: 'direct DDL is not recorded: event triggers need a superuser' },
    ]);
  });
});
