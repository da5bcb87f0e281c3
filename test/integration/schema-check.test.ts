import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { schemaObjects } from '#src/adapters/outbound/postgres/catalog.ts';
import type { Finding } from '#src/application/checks/finding.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { roleNames, testDatabase } from '../support/database.ts';

const database = await testDatabase();
const [owner, admin] = [database.urls.owner, database.urls.admin].map(
  (connectionString) => new Client({ connectionString }),
) as [Client, Client];
await Promise.all([owner.connect(), admin.connect()]);
afterAll(async () => {
  await Promise.all([owner.end(), admin.end()]);
});

const environment = {
  DRAGONFLY_ENV: 'dev',
  DRAGONFLY_ADMIN_DATABASE_URL: database.urls.admin,
  DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
  ...roleNames(database),
};

async function check() {
  const { output, code } = await invoke(['schema-check', '--json'], environment);
  const { findings } = JSON.parse(output) as { findings: Finding[] };
  return { code, findings, summaries: findings.map(({ summary }) => summary) };
}

const scratchDatabases = async (): Promise<unknown[]> =>
  (
    await admin.query(
      `select datname from pg_database where starts_with(datname, current_database() || '_scratch')`,
    )
  ).rows;

describe('[DATA-5] `dragonfly schema-check`', () => {
  it('finds nothing in a database that was only migrated, and leaves nothing behind', async () => {
    const { code, summaries } = await check();
    expect(summaries).toEqual([expect.stringMatching(/^\d{3,} objects are as the migrations say$/)]);
    expect(code).toBe(0);
    expect(await scratchDatabases()).toEqual([]);
  });

  it('drops what one that was killed has left, and not what another one uses', async () => {
    const [live] = (await admin.query<{ name: string }>('select current_database() as name')).rows;
    const [left, used] = ['00000000', '0000000f'].map((end) => `${live?.name}_scratch_${end}`);
    await admin.query(`create database "${left}"`);
    await admin.query(`create database "${used}"`);
    await admin.query('select pg_advisory_lock(5529, hashtext($1))', [used]);
    await check();
    expect(await scratchDatabases()).toEqual([{ datname: used }]);
    await admin.query('select pg_advisory_unlock(5529, hashtext($1))', [used]);
    await admin.query(`drop database "${used}"`);
  });

  it('does not mind how many days and claims have a table', async () => {
    await owner.query(`select ops.make_day('2030-01-01'), ops.make_claims(77)`);
    expect((await check()).code).toBe(0);
    await owner.query('alter table ops.job_20300101 set (fillfactor = 50)');
    const { summaries } = await check();
    await owner.query(`select ops.drop_day('2030-01-01', now(), 10)`);
    expect(summaries).toEqual(['changed: table ops.job_# (ops.job_20300101)']);
  });

  const api = environment.DRAGONFLY_API_ROLE;
  const ownerRole = new URL(database.urls.owner).username;
  /** What somebody did, how it is undone, what is said of it. Of each kind of object that DATA-5 names. */
  const cases: [string, string, string][] = [
    [
      'create table ops.by_hand_table (n integer)',
      'drop table ops.by_hand_table',
      'unexpected: table ops.by_hand_table',
    ],
    [
      'alter table ops.queue_pause alter paused_by type varchar(100)',
      'alter table ops.queue_pause alter paused_by type text',
      'changed: column ops.queue_pause.paused_by',
    ],
    [
      'alter table ops.worker drop constraint worker_status_check',
      `alter table ops.worker add constraint worker_status_check check (status in ('running', 'stopped', 'error'))`,
      'missing: constraint worker_status_check on ops.worker',
    ],
    [
      'alter table ops.unique_key owner to postgres',
      `alter table ops.unique_key owner to ${ownerRole}`,
      'changed: owner of table ops.unique_key',
    ],
    [
      `alter type ops.outcome_status rename value 'redriven' to 'by_hand'`,
      `alter type ops.outcome_status rename value 'by_hand' to 'redriven'`,
      'changed: enum ops.outcome_status',
    ],
    [
      `grant usage on type ops.outcome_status to ${api}`,
      `revoke usage on type ops.outcome_status from ${api}`,
      'changed: grants on type ops.outcome_status',
    ],
    [
      'create domain ops.by_hand_domain as integer',
      'drop domain ops.by_hand_domain',
      'unexpected: domain ops.by_hand_domain',
    ],
    [
      'create type ops.by_hand_pair as (a integer, b text)',
      'drop type ops.by_hand_pair',
      'unexpected: composite type ops.by_hand_pair',
    ],
    [
      'create type ops.by_hand_range as range (subtype = integer)',
      'drop type ops.by_hand_range',
      'unexpected: range type ops.by_hand_range',
    ],
    [
      'create sequence ops.by_hand_sequence',
      'drop sequence ops.by_hand_sequence',
      'unexpected: sequence ops.by_hand_sequence',
    ],
    [
      'create aggregate ops.by_hand_sum(integer) (sfunc = int4pl, stype = integer)',
      'drop aggregate ops.by_hand_sum(integer)',
      'unexpected: aggregate ops.by_hand_sum(integer)',
    ],
    [
      'create rule by_hand as on delete to ops.worker do instead nothing',
      'drop rule by_hand on ops.worker',
      'unexpected: rule by_hand on ops.worker',
    ],
    [
      'drop index ops.audit_log_newest',
      'create index audit_log_newest on ops.audit_log (organization_id, at, id)',
      'missing: index ops.audit_log_newest',
    ],
    ['create index by_hand on ops.worker (type)', 'drop index ops.by_hand', 'unexpected: index ops.by_hand'],
    [
      'alter table ops.worker add extra integer',
      'alter table ops.worker drop extra',
      'unexpected: column ops.worker.extra',
    ],
    [
      `alter table ops.worker alter command set default 'stop'`,
      `alter table ops.worker alter command set default 'run'`,
      'changed: column ops.worker.command',
    ],
    [
      'alter table ops.worker alter hostname set not null',
      'alter table ops.worker alter hostname drop not null',
      'changed: column ops.worker.hostname',
    ],
    [
      'alter table ops.audit_log disable trigger append_only',
      'alter table ops.audit_log enable always trigger append_only',
      'changed: trigger append_only on ops.audit_log',
    ],
    [
      'alter table public.api_key no force row level security',
      'alter table public.api_key force row level security',
      'changed: table public.api_key',
    ],
    [
      'create policy by_hand on public.api_key using (true)',
      'drop policy by_hand on public.api_key',
      'unexpected: policy by_hand on public.api_key',
    ],
    [
      `grant select on ops.worker to ${api}`,
      `revoke select on ops.worker from ${api}`,
      'changed: grants on table ops.worker',
    ],
    [
      `grant execute on function ops.maintain(interval) to public`,
      `revoke execute on function ops.maintain(interval) from public`,
      'changed: grants on function ops.maintain(interval)',
    ],
    [
      'create function ops.register_heartbeat(integer) returns void language sql return null',
      'drop function ops.register_heartbeat(integer)',
      'unexpected: function ops.register_heartbeat(integer)',
    ],
    [
      `alter function ops.frozen_since() set work_mem = '1MB'`,
      'alter function ops.frozen_since() reset work_mem',
      'changed: function ops.frozen_since()',
    ],
    [
      'alter sequence ops.claim_id increment 2',
      'alter sequence ops.claim_id increment 1',
      'changed: sequence values ops.claim_id',
    ],
    [
      'create view ops.by_hand_view as select 1 as n',
      'drop view ops.by_hand_view',
      'unexpected: view ops.by_hand_view',
    ],
    [
      'alter view ops.audit set (security_barrier = false)',
      'alter view ops.audit set (security_barrier = true)',
      'changed: view ops.audit',
    ],
    ['create schema by_hand', 'drop schema by_hand', 'unexpected: schema by_hand'],
    [
      'create extension tsm_system_rows schema by_hand',
      'drop extension tsm_system_rows',
      'unexpected: extension tsm_system_rows',
    ],
    [
      'create event trigger by_hand on ddl_command_end execute function ddl_log.record()',
      'drop event trigger by_hand',
      'unexpected: event trigger by_hand',
    ],
  ];

  it('finds each of them, all done at once', async () => {
    for (const [statement] of cases) await admin.query(statement);
    const { code, summaries } = await check();
    for (const [, undo] of cases.toReversed()) await admin.query(undo);
    const expected = cases.map(([, , summary]) => summary);
    expect(summaries).toEqual(expect.arrayContaining(expected));
    // What the new objects are made of, and what another owner may.
    const besides = summaries.filter((summary) => !expected.includes(summary));
    expect(
      besides.filter(
        (summary) =>
          !/by_hand|register_heartbeat|worker_hostname_not_null|grants on table ops\.unique_key/.test(
            summary,
          ),
      ),
    ).toEqual([]);
    expect(code).toBe(1);
    expect((await check()).code).toBe(0);
  });

  it.for([
    ['create type ops.mine as (a integer)', 'alter type ops.mine alter attribute a type bigint'],
    ['create type ops.mine as (a text)', 'alter type ops.mine add attribute b text'],
    [
      'create type ops.mine as range (subtype = integer)',
      'drop type ops.mine; create type ops.mine as range (subtype = bigint)',
    ],
    [`create type ops.mine as enum ('a')`, `alter type ops.mine add value 'b'`],
    ['create domain ops.mine as integer', 'alter domain ops.mine set not null'],
    ['create domain ops.mine as integer', 'revoke usage on type ops.mine from public'],
    [
      'create aggregate ops.mine(integer) (sfunc = int4pl, stype = integer)',
      'create or replace aggregate ops.mine(integer) (sfunc = int4mul, stype = integer)',
    ],
    [
      'create rule mine as on delete to ops.worker do instead nothing',
      'create or replace rule mine as on delete to ops.worker do also nothing',
    ],
  ] as const)('sees the change of what no migration makes yet: %s', async ([make, change]) => {
    const definitions = async () =>
      (await schemaObjects(owner)).filter(({ name }) => /\bmine\b/.test(name)).map((one) => one.definition);
    await owner.query('begin');
    await owner.query(make);
    const before = await definitions();
    await owner.query(change);
    const after = await definitions();
    await owner.query('rollback');
    expect(before.length).toBeGreaterThan(0);
    expect(after).not.toEqual(before);
  });

  it('shows the statement that mends, and it does', async () => {
    await owner.query('drop index ops.audit_log_newest');
    await owner.query(
      `create or replace function ops.frozen_since() returns timestamptz language sql return null::timestamptz`,
    );
    await owner.query('alter table ops.audit_log disable trigger append_only');
    await admin.query('alter function ops.audit_unsealed_age() owner to postgres');
    const { findings, summaries } = await check();
    expect(summaries).toEqual(
      expect.arrayContaining(['changed: owner of function ops.audit_unsealed_age()']),
    );
    const mends = findings.flatMap(({ mend }) => (mend === undefined ? [] : [mend]));
    expect(mends.length).toBeGreaterThanOrEqual(4);
    for (const mend of mends) await admin.query(mend);
    expect((await check()).summaries).toEqual([expect.stringContaining('are as the migrations say')]);
  });

  it('leaves nothing behind when it fails', async () => {
    const work = invoke(['schema-check'], { ...environment, DRAGONFLY_API_ROLE: 'nobody_there' });
    await expect(work).rejects.toThrow('Migration 20261121090000_access failed');
    expect(await scratchDatabases()).toEqual([]);
  });
});

it('[DEP-4] with --applied compares with the migrations that there are, as before those of a release', async () => {
  const statusOf = async (...args: string[]): Promise<string> => {
    const { output } = await invoke(['schema-check', '--json', ...args], environment);
    return (JSON.parse(output) as { status: string }).status;
  };
  await invoke(['migrate', 'down'], environment);
  expect(await statusOf()).toBe('fail');
  expect(await statusOf('--applied')).toBe('pass');
  await invoke(['migrate', 'up'], environment);
  expect(await statusOf()).toBe('pass');
});
