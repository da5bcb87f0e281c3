import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type SqlQuery, query } from '#src/adapters/outbound/postgres/pool.ts';
import { relationSizes } from '#src/adapters/outbound/postgres/relation-sizes.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import {
  LOCK_MODES,
  type LiveLock,
  type MigrationStatements,
  impactOf,
} from '#src/application/migrations/impact.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { describe, expect, it, vi } from 'vitest';
import { setUp } from './setup.ts';

// Commands that start the script of the checkout.
vi.setConfig({ testTimeout: 60_000 });

const { database, owner, options, names: migrations } = await setUp();
await owner.query(`
  create schema locked;
  create table locked.t (id bigint primary key, name text, n integer);
  insert into locked.t select i, 'a', i from generate_series(1, 5000) i;
  create index t_name on locked.t (name);
  create table locked.child (t_id bigint, n integer, constraint positive check (n > 0) not valid);
  create table locked.parted (id bigint) partition by range (id);
  create table locked.part (id bigint);
  create view locked.v as select 1 as one;
  create materialized view locked.m as select 1 as one;
  create function locked.f() returns trigger language plpgsql as 'begin return new; end';
  create trigger tr before insert on locked.t for each row execute function locked.f();
  create policy p on locked.t using (true);
  analyze locked.t`);

const STATEMENTS = [
  'alter table locked.t add note text',
  'alter table locked.t drop name, add note text',
  "alter table locked.t alter name set default 'x'",
  'alter table locked.t alter name set statistics 100',
  'alter table locked.t set (fillfactor = 80)',
  'alter table locked.t set (user_catalog_table = true)',
  'alter table locked.child validate constraint positive',
  'alter table locked.child add foreign key (t_id) references locked.t not valid',
  'alter table locked.t disable trigger tr',
  'alter table locked.t enable row level security',
  'alter table locked.t rename name to title',
  'alter table locked.parted attach partition locked.part for values from (1) to (2)',
  'alter view locked.v set (security_barrier = true)',
  'create table locked.new (t_id bigint references locked.t)',
  'create table locked.new partition of locked.parted for values from (5) to (6)',
  'create table locked.new () inherits (locked.t)',
  'create index on locked.t (n)',
  'create statistics locked.s on name, n from locked.t',
  'create or replace view locked.v as select 1 as one, 2 as two',
  'create rule r as on insert to locked.child do instead nothing',
  'create trigger other after insert on locked.t for each row execute function locked.f()',
  'create policy q on locked.t using (true)',
  'alter policy p on locked.t using (false)',
  'drop policy p on locked.t',
  'drop trigger tr on locked.t',
  'drop index locked.t_name',
  'drop table locked.child',
  'drop view locked.v',
  'reindex table locked.t',
  'refresh materialized view locked.m',
  'cluster locked.t using t_pkey',
  'truncate locked.t, locked.child',
  'lock table locked.t in share row exclusive mode',
  'lock table locked.t in row exclusive mode',
  'lock table locked.t',
  "comment on table locked.t is 'x'",
  "comment on column locked.t.name is 'x'",
  'insert into locked.child values (1, 1)',
  'update locked.t set n = 0 where false',
  'delete from locked.child',
  'merge into locked.t using locked.child c on c.t_id = id when matched then delete',
  'do $$ begin update locked.t set n = 1 where false; end $$',
  'alter table locked.t set schema public',
  'create function locked.g() returns integer language sql return 1',
];
const SIZED = 'drop index locked.t_name; update locked.child set n = 1;';

/** What the script of the checkout says of a text, each one a migration of its own. */
async function saidOf(texts: readonly string[]): Promise<Map<string, MigrationStatements>> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'impact-'));
  const script = path.resolve(import.meta.dirname, '../../../scripts/migrations/impact-main.ts');
  try {
    await mkdir(path.join(scratch, 'migrations'));
    for (const [index, text] of texts.entries()) {
      const file = path.join(scratch, `migrations/${20_300_101_000_000 + index}_statement`);
      await writeFile(`${file}.up.sql`, text);
      await writeFile(`${file}.down.sql`, 'select;');
    }
    const { stdout } = await promisify(execFile)(process.execPath, [script], { cwd: scratch });
    const said = JSON.parse(stdout) as MigrationStatements[];
    return new Map(said.map((migration, index) => [texts[index] ?? '', migration]));
  } finally {
    await rm(scratch, { recursive: true });
  }
}
const said = await saidOf([...STATEMENTS, SIZED]);

const run = async (statement: SqlQuery) =>
  await withPool({ url: database.urls.owner }, 'test', async (pool) => await query(pool, statement));

async function locksOf(text: string): Promise<readonly LiveLock[]> {
  const migration = said.get(text);
  if (!migration) throw new Error(`The script said nothing of ${text}.`);
  const relations = migration.locks.map(({ relation }) => relation);
  return impactOf(migration, await relationSizes(run, relations)).locks;
}

const wordsOf = (mode: string): string =>
  mode
    .replace('Lock', '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toUpperCase();

/** What the server says of locks on tables and views that were there, without weak ones. */
async function lockedBy(sql: string): Promise<string[]> {
  const { rows: there } = await owner.query<{ oid: number; name: string }>(
    "select oid, format('locked.%s', relname) as name from pg_class where relnamespace = 'locked'::regnamespace and relkind <> 'i'",
  );
  const names = new Map(there.map(({ oid, name }) => [oid, name]));
  try {
    await owner.query('begin');
    await owner.query(sql);
    const { rows: taken } = await owner.query<{ relation: number; mode: string }>(
      "select relation, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation'",
    );
    const rows = taken.flatMap(({ relation, mode }) => {
      const name = names.get(relation);
      return name === undefined ? [] : [{ relation: name, mode }];
    });
    const strength = (mode: string): number => LOCK_MODES.findIndex((one) => one === wordsOf(mode));
    const strong = rows.filter(({ mode }) => strength(mode) >= 0);
    return [...Map.groupBy(strong, ({ relation }) => relation)].map(([relation, locks]) => {
      const [first] = locks.toSorted((a, b) => strength(b.mode) - strength(a.mode));
      return `${relation} ${wordsOf(first?.mode ?? '')}`;
    });
  } finally {
    await owner.query('rollback');
  }
}

describe('[DEP-2] the locks of a migration', () => {
  it.each(STATEMENTS)('are those that the server takes: %s', async (sql) => {
    const locks = (await locksOf(sql)).map(({ relation, mode }) => `${relation} ${mode}`);
    expect(locks.toSorted()).toEqual((await lockedBy(sql)).toSorted());
  });

  it('have the size of their table, as the server estimates it', async () => {
    const locks = await locksOf(SIZED);
    expect(locks).toEqual([
      { relation: 'locked.t', mode: 'ACCESS EXCLUSIVE', rows: 5000, bytes: expect.any(Number) },
      { relation: 'locked.child', mode: 'ROW EXCLUSIVE', rows: null, bytes: 8192 },
    ]);
    expect(locks[0]?.bytes).toBeGreaterThan(100_000);
  });

  it('have the size of all partitions of their table', async () => {
    await owner.query(`
      select ops.queue_job('smoke.echo', '{"message": "a"}') from generate_series(1, 1000);
      analyze ops.job`);
    const [job] = await relationSizes(run, ['ops.job']);
    expect(job).toMatchObject({ table: 'ops.job', rows: 1000 });
    expect(job?.bytes).toBeGreaterThan(100_000);
  });
});

describe('[DEP-2] `migrate impact`', () => {
  const environment = {
    PATH: process.env['PATH'],
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
    DRAGONFLY_API_ROLE: options.roles.api,
    DRAGONFLY_WORKER_ROLE: options.roles.worker,
    DRAGONFLY_READONLY_ROLE: options.roles.readonly,
  };
  const last = migrations.at(-1) ?? '';

  it('shows what is pending, and nothing when nothing is', async () => {
    expect((await invoke(['migrate', 'impact'], environment)).output).toBe('no migration is pending');
    await invoke(['migrate', 'down'], environment);
    const { output } = await invoke(['migrate', 'impact', '--json'], environment);
    expect(JSON.parse(output)).toMatchObject([
      {
        name: last,
        transactional: true,
        is_breaking: false,
        statements: { 'create table': 1, 'create function': 1 },
        contract_tests: expect.arrayContaining(['test/contract/sql/deployments.test.ts']),
      },
    ]);
    const { output: text } = await invoke(['migrate', 'impact'], environment);
    expect(text).toMatch(
      /^20\d+_deployments\n {2}statements .*2 create index.*\n {2}objects .*ops\.deployments/,
    );
    expect(text).toContain('its down step loses the log of deployments');
    await invoke(['migrate', 'up'], environment);
  });
});
