import type { Engine } from '../engine.ts';
import { type SqlQueue, arrayOf, connectSqlQueue } from '../sql-queue.ts';
import { design, execute, queueBacklog } from './sql-file.ts';

const RETENTION_DAYS = 7;
/** Partitions as after a week: one a day, and that of tomorrow. */
const PARTITIONS = Array.from(
  { length: RETENTION_DAYS + 2 },
  (
    _,
    day,
  ) => `select ops.make_partition('day_${day}', date_trunc('day', now()) - interval '1 day' * ${RETENTION_DAYS - day},
    date_trunc('day', now()) - interval '1 day' * ${RETENTION_DAYS - day - 1})`,
);
const CLAIMS = [0, 1, 2].map(
  (part) => `select ops.make_claim_partition('part_${part}', ${part * 1e6}, ${(part + 1) * 1e6})`,
);

const queue: SqlQueue = {
  claim: `select claim_id, run, job_id, job_type, payload, attempt, max_attempts, priority, trace_id, organization_id
            from ops.claim_jobs($1, $2, 30, $3)`,
  complete: 'select ops.complete_jobs($1, $2, $3, $4, $5)',
  reportOf: (jobs, status) => [
    arrayOf(jobs.map((job) => job['claim_id'])),
    arrayOf(jobs.map((job) => job['job_id'])),
    arrayOf(jobs.map((job) => job['run'])),
    arrayOf(jobs.map((job) => job['attempt'])),
    arrayOf(jobs.map(() => status)),
  ],
};

/** A narrow table of what waits, in one of its two forms. */
export const narrowEngine = (name: 'hinted' | 'batches'): Engine => ({
  async install(databaseUrl) {
    const designs = [name, 'narrow'].map(design);
    // Functions of each name tables and types of the other.
    const anyOrder = 'set check_function_bodies = off';
    await execute(databaseUrl, design('common'), anyOrder, ...designs, ...PARTITIONS, ...CLAIMS);
  },
  async backlog(databaseUrl, backlog) {
    await execute(
      databaseUrl,
      queueBacklog(backlog),
      `update ops.lane set paused = true where type = 'paused'`,
    );
  },
  /** The day ends now: its partition is replaced by an empty one. */
  async retain(databaseUrl) {
    const today = `day_${RETENTION_DAYS}`;
    await execute(
      databaseUrl,
      `select ops.drop_partition('${today}')`,
      `select ops.make_partition('${today}', date_trunc('day', now()), date_trunc('day', now()) + interval '1 day')`,
    );
  },
  connect: async (databaseUrl, connections) => await connectSqlQueue(databaseUrl, connections, queue),
  proof: {
    queue,
    ledger: `select (j.payload ->> 'n')::integer as n, count(*) filter (where o.status = 'completed')::integer as completed
               from ops.job j left join ops.outcome o on o.job_id = j.id group by j.id, j.payload`,
    expireLeases: "select ops.return_lost_jobs(clock_timestamp() + interval '1 hour')",
  },
});
