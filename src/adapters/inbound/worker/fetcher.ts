import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import { type DatabaseTrouble, retryDelayMs } from './database-trouble.ts';
import { pause } from './pause.ts';

export interface FetcherOptions {
  readonly pollIntervalMs: number;
  /** How many jobs to claim now. */
  readonly demand: () => number;
  readonly claim: (limit: number) => Promise<ClaimedJob[]>;
  readonly accept: (jobs: readonly ClaimedJob[]) => void;
  readonly trouble: DatabaseTrouble;
}

/**
 * Claims jobs, one claim at a time: what is asked for meanwhile goes into the next one. The queue is looked into as long as
 * that brings anything, when there may be something new, and when the poll interval is over.
 */
export function createFetcher({ pollIntervalMs, demand, claim, accept, trouble }: FetcherOptions) {
  const stopping = new AbortController();
  let started = false;
  let worthALook = true;
  let failures = 0;
  let fetching: Promise<void> | undefined;
  let poll: NodeJS.Timeout | undefined;

  /** The demand may have changed. Called for every job that ends. */
  function reconsider(): void {
    if (!started || !worthALook || fetching !== undefined) return;
    const limit = demand();
    if (limit > 0) fetching = fetch(limit);
  }

  function lookAgain(): void {
    worthALook = true;
    reconsider();
  }

  async function fetch(first: number): Promise<void> {
    clearTimeout(poll);
    for (let limit = first; limit > 0; limit = started && worthALook ? demand() : 0) {
      accept(await look(limit));
    }
    fetching = undefined;
    if (started) poll = setTimeout(lookAgain, pollIntervalMs);
  }

  async function look(limit: number): Promise<ClaimedJob[]> {
    worthALook = false;
    try {
      const jobs = await claim(limit);
      failures = 0;
      trouble.worked('claim');
      worthALook ||= jobs.length > 0;
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
      started = true;
      lookAgain();
    },
    /** There may be something new in the queue. */
    lookAgain,
    reconsider,
    /** Fulfils when no claim is under way any more. */
    async stop(): Promise<void> {
      started = false;
      stopping.abort();
      clearTimeout(poll);
      await fetching;
    },
  };
}
