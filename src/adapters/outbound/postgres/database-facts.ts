import type { TLSSocket } from 'node:tls';
import type { DatabaseFacts, QueueFacts } from '#src/application/checks/facts.ts';
import type { Pool, PoolClient } from 'pg';
import { type Row, query } from './pool.ts';
import { SIGNATURES } from './signatures.ts';
import { STRONG_ATTRIBUTES } from './strong-attributes.ts';

export interface FactsOptions {
  /** Roles that the service has at run time. */
  readonly runtimeRoles: readonly string[];
  /** How long a run of each type may take; of a type that is not here nobody knows. */
  readonly deadlines: ReadonlyMap<string, number>;
}

const SERVER = `
  select current_setting('server_version_num')::integer as version,
    json_build_object('fsync', current_setting('fsync'), 'full_page_writes', current_setting('full_page_writes'),
      'autovacuum', current_setting('autovacuum'), 'synchronous_commit', (
        select reset_val from pg_settings where name = 'synchronous_commit')) as settings,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
      - coalesce(current_setting('reserved_connections', true)::integer, 0) as most,
    (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as used,
    (select json_build_object('seconds', extract(epoch from clock_timestamp() - a.xact_start), 'pid', a.pid,
        'application', a.application_name)
       from pg_stat_activity a
      where a.xact_start is not null and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
      order by a.xact_start limit 1) as longest,
    (select extract(epoch from clock_timestamp() - min(p.prepared))::float8 from pg_prepared_xacts p) as prepared,
    pg_database_size(current_database()) as bytes,
    (select max(age(d.datfrozenxid)) from pg_database d) as xid_age,
    (select max(mxid_age(d.datminmxid)) from pg_database d) as multixact_age,
    (select coalesce(json_agg(json_build_object('name', s.slot_name, 'active', s.active, 'keptBytes',
        coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0))), '[]')
       from pg_replication_slots s) as slots,
    (select coalesce(json_agg(json_build_object('name', t.relid::regclass, 'bytes', pg_table_size(t.relid),
        'live', t.n_live_tup, 'dead', t.n_dead_tup)), '[]')
       from pg_stat_user_tables t where t.schemaname in ('ops', 'public')) as tables`;

/** Another one that is missing may come with a migration that is not applied yet, which is found beside this. */
const CANONICAL = ['claim_pending_job', 'update_job_status', 'queue_job', 'register_heartbeat'];

/** Of pg_proc `p`. */
export const SIGNATURE = `format('%s(%s) returns %s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid))`;

const TRUST = `
  select
    (select coalesce(json_agg(r.rolname order by r.rolname), '[]') from pg_roles r
      where r.rolname = any ($1) and ${STRONG_ATTRIBUTES} <> '{}') as strong_roles,
    (select coalesce(json_agg(c.oid::regclass order by c.oid::regclass::text), '[]') from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        and not (c.relrowsecurity and c.relforcerowsecurity)) as open_tables,
    ops.audit_unsealed_age() as unsealed,
    (select coalesce(json_agg(f.name order by f.name), '[]')
       from (select split_part(text, '(', 1) as name, text from unnest($2::text[]) text) f,
            lateral (select count(*), bool_and(${SIGNATURE} = f.text) as same from pg_proc p
                      where p.pronamespace = to_regnamespace('ops') and p.proname = f.name) there
      where there.count > 1 or not there.same or (there.count = 0 and f.name = any ($3))
    ) as faulty_signatures`;

const QUEUE = `
  select
    (select coalesce(json_agg(json_build_object('type', q.type, 'depth', q.depth, 'dead', q.failed,
        'oldestSeconds', q.oldest_age_seconds)), '[]') from ops.queue_stats() q) as types,
    extract(epoch from clock_timestamp() - ops.frozen_since())::float8 as frozen,
    (select coalesce(json_agg(json_build_object('type', p.type, 'seconds', extract(epoch from clock_timestamp() - p.paused_at))), '[]')
       from ops.queue_pause p where p.type is not null) as pauses,
    (select count(*)::integer from ops.workers w where w.alive) as alive,
    (select coalesce(json_agg(w.id order by w.id), '[]') from ops.workers w
      where not w.alive and w.status = 'running' and w.last_seen_at > clock_timestamp() - interval '1 day') as silent,
    cardinality(ops.dead_claims(clock_timestamp(), null, null)) as lost_leases,
    (select count(*)::integer from generate_series(1, 3) n
      where to_regclass('ops.job_' || to_char((clock_timestamp() at time zone 'UTC')::date + n, 'YYYYMMDD')) is not null) as days_ahead`;

/** A run begins a moment after its claim, and reports a moment after its end. */
const GRACE = `interval '1 minute'`;

/**
 * Runs whose worker is alive and whose deadline is over: the job's own, or that of its type in $1. What waits in the worker is given
 * back at once, so that a run begins with its claim. Each job of a lease that is older than the grace is looked up by its id.
 */
const OVERDUE = `
  select n.type, u.job_id as "jobId", w.id as "workerId",
         extract(epoch from clock_timestamp() - c.claimed_at)::float8 - d.seconds as seconds
    from ops.lease l
    join ops.worker w on w.id = l.worker_id and w.last_seen_at + w.dead_after > clock_timestamp()
    join ops.claim c on c.id = l.claim_id
    join ops.lane n on n.id = l.lane_id
   cross join lateral unnest(c.job_ids, c.runs) u (job_id, run)
   cross join lateral (select options from ops.job where id = u.job_id offset 0) j
   cross join lateral (select coalesce((j.options ->> 'timeout_seconds')::float8, ($1::jsonb ->> n.type)::float8) as seconds) d
   where l.claimed_at < clock_timestamp() - ${GRACE} and c.claimed_at + make_interval(secs => d.seconds) + ${GRACE} < clock_timestamp()
     and not exists (select from ops.outcome o where o.job_id = u.job_id and o.run >= coalesce(u.run, 1) offset 0)
   order by c.claimed_at, u.job_id limit 1000`;

/** Reads what there is to know, as the owner of the schema. @throws DomainError `database_unavailable` */
export async function readDatabaseFacts(pool: Pool, options: FactsOptions): Promise<DatabaseFacts> {
  const connection = await clockAndCertificate(pool);
  const server = await rowOf(pool, SERVER);
  const trust = await rowOf(pool, TRUST, [options.runtimeRoles, SIGNATURES, CANONICAL]);
  const longest = server['longest'] as DatabaseFacts['longestTransaction'];
  return {
    version: server['version'] as number,
    settings: server['settings'] as DatabaseFacts['settings'],
    connections: { most: server['most'] as number, used: server['used'] as number },
    longestTransaction: longest,
    oldestPreparedSeconds: server['prepared'] as number | null,
    xidAge: Number(server['xid_age']),
    multixactAge: Number(server['multixact_age']),
    slots: server['slots'] as DatabaseFacts['slots'],
    tables: server['tables'] as DatabaseFacts['tables'],
    ...connection,
    databaseBytes: Number(server['bytes']),
    strongRoles: trust['strong_roles'] as string[],
    openTables: trust['open_tables'] as string[],
    auditUnsealedSeconds: trust['unsealed'] as number,
    queue: await queueFacts(pool, options.deadlines),
    faultySignatures: trust['faulty_signatures'] as string[],
  };
}

async function queueFacts(pool: Pool, deadlines: FactsOptions['deadlines']): Promise<QueueFacts> {
  const row = await rowOf(pool, QUEUE);
  const values = [JSON.stringify(Object.fromEntries(deadlines))];
  const overdue = await query(pool, { text: OVERDUE, values });
  return {
    types: row['types'] as QueueFacts['types'],
    frozenSeconds: row['frozen'] as number | null,
    pauses: row['pauses'] as QueueFacts['pauses'],
    workersAlive: row['alive'] as number,
    workersSilent: row['silent'] as string[],
    lostLeases: row['lost_leases'] as number,
    overdue: overdue as unknown as QueueFacts['overdue'],
    daysAhead: row['days_ahead'] as number,
  };
}

async function clockAndCertificate(
  pool: Pool,
): Promise<Pick<DatabaseFacts, 'clockSkewSeconds' | 'certificateExpiresAt'>> {
  const client = await pool.connect();
  try {
    const askedMs = Date.now();
    const { rows } = await client.query<{ now: number }>(
      'select extract(epoch from clock_timestamp())::float8 as now',
    );
    const midMs = (askedMs + Date.now()) / 2;
    return {
      clockSkewSeconds: (rows[0]?.now ?? Number.NaN) - midMs / 1000,
      certificateExpiresAt: expiryOf(client),
    };
  } finally {
    client.release();
  }
}

/** The library shows the socket to nobody. */
function expiryOf(client: PoolClient): number | null {
  const { stream } = (client as unknown as { connection: { stream: Partial<TLSSocket> } }).connection;
  const until = stream.getPeerCertificate?.().valid_to;
  return until === undefined ? null : Date.parse(until);
}

async function rowOf(pool: Pool, text: string, values: readonly unknown[] = []): Promise<Row> {
  const [row] = await query(pool, { text, values });
  if (!row) throw new Error('PostgreSQL answered without a row.');
  return row;
}
