import { readFile } from 'node:fs/promises';
import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import type { DatabaseRole } from '../../support/cluster.ts';
import { connectRoles } from './roles.ts';

const { urls, owner, session } = await connectRoles();

const SHARED = ['current_actor', 'current_organization', 'current_trace', 'schema_version'];
const READ = ['queue_figures', 'scan_audit', 'scan_jobs'];
const ENQUEUE = ['frozen_since', 'queue_job', 'queue_job_idempotent', 'queue_jobs', 'wake'];
const CLIENT = [
  'authenticate_api_key',
  'begin_idempotent',
  'cancel_job',
  'create_api_key',
  'end_idempotent',
  'pause_queue',
  'purge_jobs',
  'queue_jobs_of_callers',
  'queue_one_job',
  'redrive_jobs',
  'resume_queue',
  'retry_job',
  'revoke_api_key',
  'rotate_api_key',
  'touch_api_keys',
];
const CLAIM = ['claim_jobs', 'claim_pending_job'];
const REPORT = ['complete_jobs', 'reap_stuck_jobs', 'update_job_status'];
const LIVENESS = ['maintain', 'prune', 'queue_stats', 'register_heartbeat', 'set_idle', 'worker_beat'];
const SEAL = ['audit_unsealed_age', 'seal_audit_log'];
const DIRECT_DDL = 'ddl_log.unacknowledged';
const READ_VIEWS = ['ops.audit', 'ops.jobs', 'ops.queue_pauses', 'ops.queues', 'ops.workers'];
const VIEWS = [...READ_VIEWS, 'ops.api_keys', 'ops.organizations'].toSorted();

/** Every role but the owner, with all that it may do. PostgreSQL lets everybody use `public`, where nothing is granted. */
const granted = [
  {
    role: 'api',
    functions: [...SHARED, ...READ, ...ENQUEUE, ...CLIENT, ...SEAL],
    views: VIEWS,
    schemas: ['ops', 'public'],
  },
  {
    role: 'worker',
    functions: [...SHARED, ...ENQUEUE, ...CLAIM, ...REPORT, ...LIVENESS, ...SEAL],
    views: [DIRECT_DDL],
    schemas: ['ddl_log', 'ops', 'public'],
  },
  {
    role: 'readonly',
    functions: [...SHARED, ...READ],
    views: [DIRECT_DDL, ...READ_VIEWS],
    schemas: ['ddl_log', 'ops', 'public'],
  },
] as const;

const nameOf = (role: keyof typeof urls): string => new URL(urls[role]).username;

const relations = await owner<{ name: string; kind: string }>`
  select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')`;

/** From the catalogue, so that a new schema is among them by itself. */
const schemas = (
  await owner<{ name: string }>`
    select quote_ident(nspname) as name from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by nspname`
).map(({ name }) => name);

/** The statements that did not end with "permission denied". */
async function allowed(role: DatabaseRole, statements: readonly string[]): Promise<string[]> {
  const { run } = await session(role);
  const notRefused: string[] = [];
  for (const statement of statements) {
    const error: unknown = await run(statement).catch((caught: unknown) => caught);
    if (!(error instanceof DatabaseError && error.code === '42501')) notRefused.push(statement);
  }
  return notRefused;
}

it('[SEC-12] these are all schemas', () => {
  expect(schemas).toEqual(['ddl_log', 'migration', 'ops', 'public']);
});

describe.for(granted)('[SEC-12] the role $role', ({ role, functions, views, schemas: used }) => {
  it('uses its schemas and creates in none', async () => {
    const rows = await owner<{ name: string; used: boolean; creates: boolean }>`
      select name, has_schema_privilege(${nameOf(role)}, name, 'usage') as used,
             has_schema_privilege(${nameOf(role)}, name, 'create') as creates from unnest(${schemas}::text[]) name`;
    expect(rows.filter((row) => row.used).map(({ name }) => name)).toEqual(used);
    expect(rows.filter(({ creates }) => creates)).toEqual([]);
  });

  it('executes its functions and no other', async () => {
    const rows = await owner<{ name: string }>`
      select p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
         and has_function_privilege(${nameOf(role)}, p.oid, 'execute')`;
    expect(rows.map(({ name }) => name).toSorted()).toEqual([...functions].toSorted());
  });

  it('reads its views, and has no other right on any table, view or sequence', async () => {
    const rows = await owner<{ name: string; readable: boolean; writable: boolean }>`
      select r.name, has_any_column_privilege(${nameOf(role)}, r.name, 'select') as readable,
             has_table_privilege(${nameOf(role)}, r.name, 'insert, update, delete, truncate, references, trigger')
             or has_any_column_privilege(${nameOf(role)}, r.name, 'insert, update, references') as writable
        from unnest(${relations.filter(({ kind }) => kind !== 'S').map(({ name }) => name)}::text[]) r (name)`;
    expect(
      rows
        .filter(({ readable }) => readable)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(views);
    expect(rows.filter(({ writable }) => writable)).toEqual([]);
  });

  it('is refused by the server when it touches a table', async () => {
    const tables = relations.filter(({ kind }) => kind === 'r');
    expect(tables.length).toBeGreaterThan(0);
    const statements = tables.flatMap(({ name }) => [
      `select from ${name}`,
      `delete from ${name}`,
      `truncate ${name}`,
    ]);
    expect(await allowed(role, statements)).toEqual([]);
  });

  it('creates nothing', async () => {
    const places = [...schemas, 'pg_catalog', 'pg_temp'];
    const statements = [
      ...places.flatMap((place) => [
        `create table ${place}.mine (id integer)`,
        `create view ${place}.mine as select 1`,
        `create sequence ${place}.mine`,
        `create type ${place}.mine as enum ()`,
        `create domain ${place}.mine as integer`,
        `create function ${place}.mine() returns integer language sql return 1`,
      ]),
      'create temp table mine (id integer)',
      'create schema mine',
      'create database mine',
      'create extension hstore',
      'create event trigger mine on ddl_command_end execute function ddl_log.record()',
      'create role mine',
      'select lo_creat(-1)',
      'select lo_create(0)',
      `select lo_from_bytea(0, '')`,
    ];
    expect(await allowed(role, statements)).toEqual([]);
  });
});

it('[DATA-6] every function that a role executes has its signature in a test', async () => {
  const text = await readFile(new URL('signatures.test.ts', import.meta.url), 'utf8');
  const named = new Set([...text.matchAll(/\bname: '(\w+)'/g)].map(([, name]) => name));
  const missing = granted.flatMap(({ functions }) => functions).filter((name) => !named.has(name));
  expect(missing).toEqual([]);
});

it('[SEC-12] no role of the service is a superuser, passes row security, makes roles or databases, or is a member of another', async () => {
  const rows = await owner`
    select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
           exists (select from pg_auth_members m where m.member = r.oid) as member
      from pg_roles r where rolname = any (${(['owner', 'api', 'worker', 'readonly'] as const).map(nameOf)})`;
  expect(rows).toHaveLength(4);
  for (const row of rows) expect(Object.values(row)).not.toContain(true);
});

it('[SEC-12] PUBLIC executes no function and uses no schema of the service', async () => {
  const rows = await owner`
    select p.oid::regprocedure::text as object from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname in ('ops', 'public', 'migration') and has_function_privilege('public', p.oid, 'execute')
    union all
    select nspname from pg_namespace where nspname in ('ops', 'migration') and has_schema_privilege('public', oid, 'usage')`;
  expect(rows).toEqual([]);
});

it('[SEC-12] every SECURITY DEFINER function has a fixed search_path in which nobody else can create', async () => {
  const rows = await owner<{ name: string; config: string[] | null }>`
    select proname as name, proconfig as config from pg_proc where pronamespace = 'ops'::regnamespace and prosecdef`;
  expect(rows.length).toBeGreaterThan(0);
  const open = rows.filter(({ config }) => !config?.includes('search_path=pg_catalog, pg_temp'));
  expect(open).toEqual([]);
});

it('[SEC-11] every view of ops that a role reads is a security barrier', async () => {
  const rows = await owner<{ name: string; options: string[] | null }>`
    select relname as name, reloptions as options from pg_class
     where relnamespace = 'ops'::regnamespace and relkind = 'v'`;
  const open = rows.filter(({ options }) => !options?.includes('security_barrier=true'));
  expect(open, 'of every organisation, read by functions only').toMatchObject([{ name: 'job_now' }]);
  const barriers = rows.filter((row) => !open.includes(row));
  expect(barriers.map(({ name }) => `ops.${name}`).toSorted()).toEqual(VIEWS);
});

it('[SEC-12] a function that is added later is not executable by PUBLIC either', async () => {
  const { sql } = await session('owner');
  await sql`begin`;
  await sql`create function ops.added_later() returns integer language sql return 1`;
  const rows =
    await sql`select has_function_privilege('public', 'ops.added_later()', 'execute') as executable`;
  await sql`rollback`;
  expect(rows).toEqual([{ executable: false }]);
});
