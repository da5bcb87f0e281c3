import { bootstrapDatabase, migrateDatabase } from '../../../dev/database.ts';
import { newState } from '../../../dev/state.ts';
import type { Engine } from '../engine.ts';
import { connectSqlQueue } from '../sql-queue.ts';
import { execute, queueBacklog } from './sql-file.ts';

/** What the migrations make. Nothing removes its finished jobs yet: a plain DELETE stands for it. */
export const engine: Engine = {
  async install(databaseUrl) {
    const database = new URL(databaseUrl).pathname.slice(1);
    const { owner: _owner, ...urls } = await bootstrapDatabase(
      databaseUrl,
      { ...newState(), name: database },
      false,
    );
    await migrateDatabase({ ...urls, owner: databaseUrl });
  },
  async backlog(databaseUrl, backlog) {
    await execute(
      databaseUrl,
      queueBacklog(backlog).replace(
        'count(ops.queue_jobs(jobs))',
        'count((select count(*) from ops.queue_jobs(jobs)))',
      ),
      `select ops.pause_queue('paused')`,
    );
  },
  async retain(databaseUrl) {
    await execute(databaseUrl, `delete from ops.job where status = 'completed'`);
  },
  connect: async (databaseUrl, connections) =>
    await connectSqlQueue(databaseUrl, connections, {
      claim:
        'select job_id, job_type, payload, attempts, lease_token, priority, max_attempts, trace_id, organization_id from ops.claim_jobs($1, $2, 30, $3)',
      complete: 'select ops.complete_jobs($1)',
      reportOf: (jobs, status) => [
        JSON.stringify(jobs.map(({ job_id, lease_token }) => ({ job_id, lease_token, status }))),
      ],
    }),
};
