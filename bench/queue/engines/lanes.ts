import type { Engine, Payload } from '../engine.ts';
import { arrayOf, connectSqlQueue } from '../sql-queue.ts';
import { design, execute, queueBacklog } from './sql-file.ts';

interface Row {
  readonly claim_id: string;
  readonly slot: number;
  readonly seq: string;
  readonly job_id: string;
  readonly payload: Payload;
}

/** One a day of retention, the active one, and a free one. */
const SLOTS = 9;

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
  connect: async (databaseUrl, connections) =>
    await connectSqlQueue<Row>(databaseUrl, connections, {
      claim: `select claim_id, slot, seq, run, job_id, job_type, payload, attempt, max_attempts, priority, trace_id, organization_id
                from ops.claim_jobs($1, $2, 30, $3)`,
      complete: 'select ops.complete_jobs($1, $2, $3, $4, $5)',
      reportOf: (jobs) => [
        arrayOf(jobs.map((job) => job.claim_id)),
        arrayOf(jobs.map((job) => job.slot)),
        arrayOf(jobs.map((job) => job.seq)),
        arrayOf(jobs.map((job) => job.job_id)),
        arrayOf(jobs.map(() => 'completed')),
      ],
      wakes: false,
    }),
};
