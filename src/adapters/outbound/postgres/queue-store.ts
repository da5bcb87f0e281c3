import type { RequestContext } from '#src/application/context.ts';
import type { JobPage, QueueStore, QueuedJob } from '#src/application/queue/ports.ts';
import type { Job, NewJob, Queue, Timestamp, Worker } from '#src/domain/jobs/job.ts';
import {
  type Compilable,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely';
import { fixed, toTime } from './fixed-statement.ts';
import { optionsOf, toElement } from './job-element.ts';
import type { Row } from './pool.ts';
import type { DB } from './schema.ts';
import type { Shared } from './shared-transactions.ts';
import { type SqlStatement, inContext } from './statement.ts';

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

/** Writes are the functions of the migrations, reads compose over the views of the organisation. */
export const postgresQueueStore: QueueStore = {
  queueJob(job) {
    const { type, payload, priority, runAt, uniqueKey, maxAttempts } = job;
    const options = optionsOf(job);
    const statement = {
      ...queueOneJob([type, JSON.stringify(payload), priority, runAt, uniqueKey, maxAttempts, options]),
      wakes: (queued: PgQueuedJob) => typesToWake([job], [queued]),
    };
    // Who waits for a key would let the others wait.
    return uniqueKey === undefined
      ? { ...statement, shared: (context: RequestContext) => ofCaller(job, context) }
      : statement;
  },
  queueJobs: (jobs) => queueJobsStatement(jobs),
  findJob: (id) => findJob([id]),
  findJobs: (ids) => findJobs([ids]),
  listJobs: ({ type, status, createdFrom, createdBefore }, after, limit) =>
    scanJobs([type, status, createdFrom, createdBefore, after, limit]),
  cancelJob: (id) => cancelJob([id]),
  retryJob: (id) => ({
    ...retryJob([id]),
    wakes: (job: Job | undefined) => (job?.status === 'pending' ? [job.type] : []),
  }),
  redriveJobs: (type, limit) => ({
    ...redriveJobs([type, limit]),
    wakes: (count: number) => (count > 0 ? [type] : []),
  }),
  purgeJobs: (type, limit) => purgeJobs([type, limit]),
  listQueues: () => rows(queues, toQueue),
  pauseQueue: (type) => pauseQueue([type]),
  resumeQueue: (type) => resumeQueue([type]),
  listWorkers: () => rows(workers, toWorker),
};

function rows<T>(query: Compilable, toOne: (row: Row) => T): SqlStatement<T[]> {
  const { sql: text, parameters } = query.compile();
  return {
    text: inContext(listOf(text), parameters.length),
    values: parameters,
    read: (value) => (value as Row[]).map(toOne),
  };
}

const oneOf = (query: string): string => `select to_json(one) from (${query}) one`;
const listOf = (query: string): string => `select coalesce(json_agg(one), '[]') from (${query}) one`;

/** `toWake`: workers are not woken by the commit, but by whoever queued. */
interface PgQueuedJob extends QueuedJob {
  readonly toWake: boolean;
}

const toQueuedJob = (row: Row): PgQueuedJob => ({
  id: row['job_id'] as QueuedJob['id'],
  created: row['created'] as QueuedJob['created'],
  createdAt: toTime(row['created_at']),
  runAt: toTime(row['run_at']),
  toWake: row['to_wake'] as boolean,
});
const jobIfAny = (row: unknown): Job | undefined => (row === null ? undefined : toJob(row as Row));
const nothing = (): void => {};

const queueOneJob = fixed(
  'queue_one_job',
  oneOf('select * from ops.queue_one_job($1, $2, $3, $4, $5, $6, $7)'),
  7,
  (row) => toQueuedJob(row as Row),
);
const queueJobs = fixed('queue_jobs', listOf('select * from ops.queue_jobs($1)'), 1, (list) =>
  (list as Row[]).map(toQueuedJob),
);
export const queueJobsStatement = (jobs: readonly NewJob[]): SqlStatement<PgQueuedJob[]> => ({
  ...queueJobs([JSON.stringify(jobs.map(toElement))]),
  wakes: (queued) => typesToWake(jobs, queued),
});

const typesToWake = (jobs: readonly NewJob[], queued: readonly PgQueuedJob[]): string[] =>
  jobs.filter((_, index) => queued[index]?.toWake).map(({ type }) => type);

const QUEUE_OF_CALLERS = `select (${listOf('select * from ops.queue_jobs_of_callers($1)')}) as value`;
const ofCaller = (job: NewJob, { traceId, organizationId, actor }: RequestContext): Shared<PgQueuedJob> => ({
  name: 'queue_jobs_of_callers',
  text: QUEUE_OF_CALLERS,
  element: JSON.stringify({
    ...toElement(job),
    trace_id: traceId,
    organization_id: organizationId,
    actor,
  }),
  read: (row) => toQueuedJob(row as Row),
});
const findJob = fixed('find_job', oneOf(`select ${columns} from ops.jobs where id = $1`), 1, jobIfAny);
const findJobs = fixed(
  'find_jobs',
  listOf(`select ${columns} from ops.jobs where id = any ($1)`),
  1,
  (list) => (list as Row[]).map(toJob),
);
const cancelJob = fixed('cancel_job', oneOf(`select ${columns} from ops.cancel_job($1)`), 1, jobIfAny);
const retryJob = fixed('retry_job', oneOf(`select ${columns} from ops.retry_job($1)`), 1, jobIfAny);
const redriveJobs = fixed('redrive_jobs', 'select ops.redrive_jobs($1, $2)', 2, Number);
const purgeJobs = fixed('purge_jobs', 'select ops.purge_jobs($1, $2)', 2, Number);
const pauseQueue = fixed('pause_queue', 'select null from ops.pause_queue($1)', 1, nothing);
const resumeQueue = fixed('resume_queue', 'select null from ops.resume_queue($1)', 1, nothing);

const scanJobs = fixed(
  'scan_jobs',
  `select json_build_object('next', page.next, 'jobs', (${listOf(
    `select ${columns} from ops.jobs where id = any (page.ids) order by id desc`,
  )})) from ops.scan_jobs($1, $2, $3, $4, $5, $6) page`,
  6,
  (value): JobPage => {
    const { jobs, next } = value as { jobs: Row[]; next: string | null };
    return { jobs: jobs.map(toJob), next: next ?? undefined };
  },
);

const queues = build
  .selectFrom('ops.queues')
  .fullJoin('ops.queue_pauses', 'ops.queue_pauses.type', 'ops.queues.type')
  .select(({ fn, ref }) => [
    fn.coalesce('ops.queues.type', 'ops.queue_pauses.type').as('type'),
    'depth',
    'scheduled',
    'processing',
    'failed',
    sql<number | null>`extract(epoch from statement_timestamp() - oldest_at)::float8`.as(
      'oldest_age_seconds',
    ),
    ref('paused_at').as('paused_at'),
  ]);

const workers = build.selectFrom('ops.workers').selectAll().orderBy('started_at').orderBy('id');

const toTimeIfAny = (text: unknown): Timestamp | null => (text === null ? null : toTime(text));

const toJob = (row: Row): Job => ({
  id: row['id'] as Job['id'],
  type: row['type'] as Job['type'],
  status: row['status'] as Job['status'],
  priority: row['priority'] as Job['priority'],
  attempts: row['attempts'] as Job['attempts'],
  maxAttempts: row['max_attempts'] as Job['maxAttempts'],
  createdAt: toTime(row['created_at']),
  runAt: toTime(row['run_at']),
  startedAt: toTimeIfAny(row['started_at']),
  finishedAt: toTimeIfAny(row['finished_at']),
  lastError: row['last_error'] as Job['lastError'],
  result: row['result'] as Job['result'],
  traceId: row['trace_id'] as Job['traceId'],
});

const toQueue = (row: Row): Queue => ({
  type: row['type'] as Queue['type'],
  depth: (row['depth'] as number | null) ?? 0,
  scheduled: (row['scheduled'] as number | null) ?? 0,
  processing: (row['processing'] as number | null) ?? 0,
  failed: (row['failed'] as number | null) ?? 0,
  oldestAgeSeconds: row['oldest_age_seconds'] as Queue['oldestAgeSeconds'],
  paused: row['paused_at'] !== null,
});

const toWorker = (row: Row): Worker => ({
  id: row['id'] as Worker['id'],
  type: row['type'] as Worker['type'],
  status: row['status'] as Worker['status'],
  alive: row['alive'] as Worker['alive'],
  startedAt: toTime(row['started_at']),
  lastSeenAt: toTime(row['last_seen_at']),
});
