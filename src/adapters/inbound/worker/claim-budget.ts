import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import { roughBytes } from '#src/domain/jobs/size.ts';
import { PREFETCH_LIMIT } from './prefetch.ts';

/** Payloads that may wait in memory. */
export const WAITING_BYTES = 32 * 1024 * 1024;
/** The largest that HTTP takes. Until the first claim, payloads are expected to be like that. */
export const LARGEST_PAYLOAD_BYTES = 256 * 1024;
/** Share that the size of a large payload still has after one more claim: about ten claims forget it. */
const MEMORY = 0.5;

/**
 * How many jobs fit into the bytes: their sizes are known only when they are claimed, so the largest payload of the last
 * claims says what the next ones may be. Only the first large ones after many small ones can exceed the bound.
 */
export function createClaimBudget() {
  let expectedBytes = LARGEST_PAYLOAD_BYTES;
  return {
    jobs: (): number => Math.min(Math.max(Math.floor(WAITING_BYTES / expectedBytes), 1), PREFETCH_LIMIT),
    note(jobs: readonly ClaimedJob[]): void {
      expectedBytes *= MEMORY;
      for (const { payload } of jobs) expectedBytes = Math.max(expectedBytes, roughBytes(payload));
    },
  };
}
