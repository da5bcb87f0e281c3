import type { Engine } from '../engine.ts';
import { type SqlQueue, arrayOf, connectSqlQueue } from '../sql-queue.ts';
import { design, execute, queueBacklog } from './sql-file.ts';

/** One a day of retention, the active one, and a free one. */
const SLOTS = 9;

const queue: SqlQueue = {
  claim: `select claim_id, slot, seq, run, job_id, job_type, payload, attempt, max_attempts, priority, trace_id, organization_id
            from ops.claim_jobs($1, $2, 30, $3)`,
  complete: 'select ops.complete_jobs($1, $2, $3, $4, $5)',
  reportOf: (jobs, status) => [
    arrayOf(jobs.map((job) => job['claim_id'])),
    arrayOf(jobs.map((job) => job['slot'])),
    arrayOf(jobs.map((job) => job['seq'])),
    arrayOf(jobs.map((job) => job['job_id'])),
    arrayOf(jobs.map(() => status)),
  ],
};

export const engine: Engine = {
  async install(databaseUrl) {
    await execute(databaseUrl, design('common'), design('lanes'), `select ops.make_slots(${SLOTS})`);
  },
  async backlog(databaseUrl, backlog) {
    await execute(
      databaseUrl,
      queueBacklog(backlog),
      `update ops.lane set paused = true where type = 'paused'`,
    );
  },
  async retain(databaseUrl) {
    await execute(
      databaseUrl,
      'select ops.seal()',
      `select ops.empty_slot(id) from ops.slot where state = 'sealed'`,
    );
  },
  connect: async (databaseUrl, connections) => await connectSqlQueue(databaseUrl, connections, queue),
  proof: {
    queue,
    ledger: `select (j.payload ->> 'n')::integer as n, sum(completed)::integer as completed from (
               select j.id, j.payload, (o.status = 'completed')::integer as completed
                 from ops.job j left join ops.outcome o on o.slot = j.slot and o.seq = j.seq
               union all select s.id, s.payload, 0 from ops.scheduled s) j group by j.id, j.payload`,
    expireLeases: "select ops.return_lost_jobs(clock_timestamp() + interval '1 hour')",
  },
};
