import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import type { DatabaseRole } from '../../support/cluster.ts';
import { connectRoles } from './roles.ts';

const { urls, owner, session } = await connectRoles();

const SHARED = ['current_actor', 'current_organization', 'current_trace', 'schema_version'];
const READ = ['scan_audit', 'scan_jobs'];
const ENQUEUE = ['frozen_since', 'queue_job', 'queue_job_idempotent', 'queue_jobs'];
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
const LIVENESS = ['maintain', 'queue_stats', 'register_heartbeat', 'set_idle', 'worker_beat'];
const SEAL = ['audit_unsealed_age', 'seal_audit_log'];
const READ_VIEWS = ['ops.audit', 'ops.jobs', 'ops.queue_pauses', 'ops.queues', 'ops.workers'];
const VIEWS = [...READ_VIEWS, 'ops.api_keys', 'ops.organizations'].toSorted();

/** Every role but the owner, with all that it may do. */
const granted = [
  { role: 'api', functions: [...SHARED, ...READ, ...ENQUEUE, ...CLIENT, ...SEAL], views: VIEWS },
  {
    role: 'worker',
    functions: [...SHARED, ...ENQUEUE, ...CLAIM, ...REPORT, ...LIVENESS, ...SEAL],
    views: [],
  },
  { role: 'readonly', functions: [...SHARED, ...READ], views: READ_VIEWS },
] as const;

const nameOf = (role: keyof typeof urls): string => new URL(urls[role]).username;

const relations = await owner<{ name: string; kind: string }>`
  select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')`;

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

describe.for(granted)('[SEC-12] the role $role', ({ role, functions, views }) => {
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
    const statements = [
      'create table public.mine (id integer)',
      'create table ops.mine (id integer)',
      'create temp table mine (id integer)',
      'create view public.mine as select 1',
      'create function public.mine() returns integer language sql return 1',
      'create function ops.mine() returns integer language sql return 1',
      'create schema mine',
      'create role mine',
    ];
    expect(await allowed(role, statements)).toEqual([]);
  });
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
