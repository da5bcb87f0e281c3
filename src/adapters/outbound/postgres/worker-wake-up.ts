import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { type SqlQuery, query } from './pool.ts';

/** A worker that was woken has looked into the queue by then. */
const INTERVAL_MS = 5;

export const READY_CHANNEL = 'ops_job_ready';
const NOTIFY: SqlQuery = {
  name: 'wake_workers',
  text: `select pg_notify('${READY_CHANNEL}', '')`,
  values: [],
};

/**
 * Wakes the workers for what was committed before, at once and then at most every `INTERVAL_MS`: the first call notifies,
 * calls meanwhile share the next notification. In the transactions themselves a NOTIFY would make their commits wait for
 * each other (it holds a lock of the whole database until the commit is on disk).
 */
export function workerWakeUp(pool: Pool): () => void {
  let wanted = false;
  let running = false;

  async function run(): Promise<void> {
    running = true;
    while (wanted) {
      wanted = false;
      // Whoever was not woken finds the job by polling; what ails the database shows in the requests.
      await Promise.allSettled([query(pool, NOTIFY)]);
      await sleep(INTERVAL_MS);
    }
    running = false;
  }

  return () => {
    wanted = true;
    if (!running) void run();
  };
}
