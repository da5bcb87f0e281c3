/** The law: no job waits longer (p95) in a worker's memory while another worker could take it. */
export const MEMORY_WAIT_LIMIT_MS = 250;
/** A job that no slot took by then is given back; the rest of the limit is for the way back. */
export const GIVE_BACK_AFTER_MS = 150;
/** What is fetched ahead should be started within this time. */
const PREFETCH_WINDOW_MS = 100;
/** Most jobs in one claim: enough that a round trip costs each little. */
export const CLAIM_LIMIT = 1000;
/** Most jobs that are fetched ahead: one claim is worked on while the next one is under way. */
export const PREFETCH_LIMIT = 2 * CLAIM_LIMIT;

/** A handler that never ran counts as slow: nothing is fetched ahead on a guess. */
const UNKNOWN_MS = 1000;
/** Share of the way to a shorter duration that each run goes: about fifty quick runs make up for a slow one. */
const RECOVERY = 0.05;

/**
 * How many jobs to fetch ahead of the free slots. Only quick handlers make that safe: with slow ones the database is
 * asked when a slot is free, which costs them nothing that they would notice.
 *
 * @param slowMs how long a slot may stay taken
 */
export function prefetchSize(concurrency: number, slowMs: number): number {
  if (slowMs > PREFETCH_WINDOW_MS) return 0;
  return Math.min(Math.floor((concurrency * PREFETCH_WINDOW_MS) / slowMs), PREFETCH_LIMIT);
}

/** How long a run has to be expected to take: up at once with a slow one, down slowly with quick ones. */
export function createPace() {
  let slowMs = UNKNOWN_MS;
  return {
    note(durationMs: number): void {
      slowMs = Math.max(durationMs, slowMs + (durationMs - slowMs) * RECOVERY);
    },
    slowMs: (): number => slowMs,
  };
}
