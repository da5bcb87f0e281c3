import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { query } from './pool.ts';

const RETRY_MS = 250;

/** AV-8. @throws DomainError `database_unavailable` when PostgreSQL does not answer in that time */
export async function untilItAnswers(pool: Pool, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      await query(pool, { text: 'select', values: [] });
      return;
    } catch (error) {
      if (performance.now() + RETRY_MS > deadline) throw error;
      await sleep(RETRY_MS);
    }
  }
}
