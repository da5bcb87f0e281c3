import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import { type DatabaseTrouble, retryDelayMs } from './database-trouble.ts';
import { createWakeUp, pause } from './pause.ts';

export interface FetcherOptions {
  readonly pollIntervalMs: number;
  /** How many jobs could be taken now. */
  readonly demand: () => number;
  readonly claim: (limit: number) => Promise<ClaimedJob[]>;
  readonly accept: (jobs: readonly ClaimedJob[]) => void;
  readonly trouble: DatabaseTrouble;
}

/**
 * Claims jobs, one claim at a time: what is asked for meanwhile goes into the next one. The queue is looked into while it
 * gave all that was asked for, when there may be something new, and when the poll interval is over.
 */
export function createFetcher({ pollIntervalMs, demand, claim, accept, trouble }: FetcherOptions) {
  const attention = createWakeUp();
  const stopping = new AbortController();
  let worthALook = true;
  let nextPollAt = 0;
  let failures = 0;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const limit = worthALook ? demand() : 0;
      if (limit > 0) accept(await look(limit));
      else await attention.wait(worthALook ? pollIntervalMs : Math.max(nextPollAt - performance.now(), 0));
      worthALook ||= performance.now() >= nextPollAt;
    }
  }

  async function look(limit: number): Promise<ClaimedJob[]> {
    worthALook = false;
    nextPollAt = performance.now() + pollIntervalMs;
    try {
      const jobs = await claim(limit);
      failures = 0;
      trouble.worked('claim');
      worthALook ||= jobs.length === limit;
      return jobs;
    } catch (error) {
      trouble.failed('claim', error);
      worthALook = true;
      failures += 1;
      await pause(retryDelayMs(failures), stopping.signal);
      return [];
    }
  }

  return {
    start(): void {
      running = run();
    },
    /** There may be something new in the queue. */
    lookAgain(): void {
      worthALook = true;
      attention.wake();
    },
    /** The demand may have changed. */
    reconsider: attention.wake,
    /** Fulfils when no claim is under way any more. */
    async stop(): Promise<void> {
      stopping.abort();
      attention.wake();
      await running;
    },
  };
}
