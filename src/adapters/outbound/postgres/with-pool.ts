import type { Pool } from 'pg';
import { createPool } from './pool.ts';
import { untilItAnswers } from './until-it-answers.ts';

export interface CommandDatabase {
  readonly url: string;
  /** How long to wait for a server that does not answer yet; without it one try is all. */
  readonly startTimeoutMs?: number | undefined;
  /** Longest run of one statement, 0 for no limit. */
  readonly statementTimeoutMs?: number;
  /** Comes through a pooler too, so that it can be told from the server. */
  readonly throughPooler?: boolean;
}

const CONNECT_TIMEOUT_MS = 2000;
const STATEMENT_TIMEOUT_MS = 60_000;

/**
 * Runs the work of one command with connections of its own, closed afterwards.
 *
 * @throws DomainError `database_unavailable` when the server does not answer, and what `work` throws
 */
export async function withPool<T>(
  {
    url,
    startTimeoutMs = 0,
    statementTimeoutMs = STATEMENT_TIMEOUT_MS,
    throughPooler = false,
  }: CommandDatabase,
  applicationName: string,
  work: (pool: Pool) => Promise<T>,
): Promise<T> {
  const pool = createPool({
    url,
    applicationName,
    max: 1,
    acquireTimeoutMs: CONNECT_TIMEOUT_MS,
    statementTimeoutMs,
    throughPooler,
    // What it lost while idle, it opens again.
    onIdleError: () => {},
  });
  try {
    await untilItAnswers(pool, startTimeoutMs);
    return await work(pool);
  } finally {
    await pool.end();
  }
}
