import type { JobFilter, JobPosition, NewJob, QueueStore, QueuedJob } from '#src/application/queue/ports.ts';
import type { Job, Queue, Worker } from '#src/domain/jobs/job.ts';
import {
  type Compilable,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely';
import type { Row } from './pool.ts';
import type { DB } from './schema.ts';
import type { SqlStatement } from './transactions.ts';

/** Only composes text; the transactions run it. */
const build = new Kysely<DB>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** What the service shows of a job: not its payload. */
const COLUMNS = [
  'id',
  'type',
  'status',
  'priority',
  'attempts',
  'max_attempts',
  'created_at',
  'run_at',
  'started_at',
  'finished_at',
  'last_error',
  'result',
  'trace_id',
] as const;
const columns = COLUMNS.join(', ');
const columnsOfJob = COLUMNS.map((column) => `(job).${column}`).join(', ');

/** Writes are the functions of the migrations, reads compose over the views of the organisation. */
export const postgresQueueStore: QueueStore = {
  queueJobs: (jobs) =>
    call(
      'queue_jobs',
      `select created, ${columnsOfJob} from ops.queue_jobs($1)`,
      [JSON.stringify(jobs.map(toInput))],
      (rows) => rows.map((row): QueuedJob => ({ job: toJob(row), created: row['created'] === true })),
    ),
  findJob: (id) => call('find_job', `select ${columns} from ops.jobs where id = $1`, [id], firstJob),
  listJobs: (filter, after, limit) => read(jobPage(filter, after, limit), (rows) => rows.map(toJob)),
  cancelJob: (id) => call('cancel_job', `select ${columns} from ops.cancel_job($1)`, [id], firstJob),
  retryJob: (id) => call('retry_job', `select ${columns} from ops.retry_job($1)`, [id], firstJob),
  listQueues: () => read(queues, (rows) => rows.map(toQueue)),
  pauseQueue: (type) => call('pause_queue', 'select ops.pause_queue($1)', [type], () => {}),
  resumeQueue: (type) => call('resume_queue', 'select ops.resume_queue($1)', [type], () => {}),
  listWorkers: () => read(workers, (rows) => rows.map(toWorker)),
};

/** A fixed text: prepared once a connection. */
const call = <T>(
  name: string,
  text: string,
  values: readonly unknown[],
  rowsTo: (rows: Row[]) => T,
): SqlStatement<T> => ({ name, text, values, read: rowsTo });

function read<T>(query: Compilable, rowsTo: (rows: Row[]) => T): SqlStatement<T> {
  const { sql, parameters } = query.compile();
  return { text: sql, values: parameters, read: rowsTo };
}

/** Newest first along the index (organization_id, created_at desc, id desc). */
function jobPage(filter: JobFilter, after: JobPosition | undefined, limit: number) {
  let query = build
    .selectFrom('ops.jobs')
    .select(COLUMNS)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit);
  if (filter.type !== undefined) query = query.where('type', '=', filter.type);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (filter.createdFrom !== undefined) query = query.where('created_at', '>=', filter.createdFrom);
  if (filter.createdBefore !== undefined) query = query.where('created_at', '<', filter.createdBefore);
  if (after) {
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('created_at', 'id'), '<', tuple(after.createdAt, after.id)),
    );
  }
  return query;
}

const queues = build
  .selectFrom('ops.queues')
  .fullJoin('ops.queue_pauses', 'ops.queue_pauses.type', 'ops.queues.type')
  .select(({ fn, ref }) => [
    fn.coalesce('ops.queues.type', 'ops.queue_pauses.type').as('type'),
    'depth',
    'scheduled',
    'processing',
    sql<number | null>`extract(epoch from statement_timestamp() - oldest_at)::float8`.as(
      'oldest_age_seconds',
    ),
    ref('paused_at').as('paused_at'),
  ]);

const workers = build.selectFrom('ops.workers').selectAll().orderBy('started_at').orderBy('id');

const toInput = ({ type, payload, priority, runAt, uniqueKey, maxAttempts }: NewJob) => ({
  type,
  payload,
  priority,
  run_at: runAt,
  unique_key: uniqueKey,
  max_attempts: maxAttempts,
});

const firstJob = ([row]: Row[]): Job | undefined => row && toJob(row);

const toJob = (row: Row): Job => ({
  id: row['id'] as Job['id'],
  type: row['type'] as Job['type'],
  status: row['status'] as Job['status'],
  priority: row['priority'] as Job['priority'],
  attempts: row['attempts'] as Job['attempts'],
  maxAttempts: row['max_attempts'] as Job['maxAttempts'],
  createdAt: row['created_at'] as Job['createdAt'],
  runAt: row['run_at'] as Job['runAt'],
  startedAt: row['started_at'] as Job['startedAt'],
  finishedAt: row['finished_at'] as Job['finishedAt'],
  lastError: row['last_error'] as Job['lastError'],
  result: row['result'] as Job['result'],
  traceId: row['trace_id'] as Job['traceId'],
});

const toQueue = (row: Row): Queue => ({
  type: row['type'] as Queue['type'],
  depth: (row['depth'] as number | null) ?? 0,
  scheduled: (row['scheduled'] as number | null) ?? 0,
  processing: (row['processing'] as number | null) ?? 0,
  oldestAgeSeconds: row['oldest_age_seconds'] as Queue['oldestAgeSeconds'],
  paused: row['paused_at'] !== null,
});

const toWorker = (row: Row): Worker => ({
  id: row['id'] as Worker['id'],
  type: row['type'] as Worker['type'],
  status: row['status'] as Worker['status'],
  alive: row['alive'] as Worker['alive'],
  startedAt: row['started_at'] as Worker['startedAt'],
  lastSeenAt: row['last_seen_at'] as Worker['lastSeenAt'],
});
