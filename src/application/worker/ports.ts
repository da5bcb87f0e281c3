import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';

/** What is kept of a job when it has ended: not its payload, which may be large. */
export type ReportedJob = Pick<ClaimedJob, 'id' | 'type' | 'leaseToken' | 'attempt' | 'traceId'>;

export interface Report {
  readonly job: ReportedJob;
  readonly outcome: Outcome;
}

/** Another session is in the way of a report, not of the database: the same report may be stored later. */
export class Contended extends Error {
  override readonly name = 'Contended';
}

/** The queue as a worker sees it. Each call is one statement; each can fail with DomainError `database_unavailable`. */
export interface WorkerQueue {
  /** Most urgent first. An empty list: nothing to do now. */
  claim(types: readonly string[], limit: number): Promise<ClaimedJob[]>;
  /**
   * The ids of the jobs that took the outcome; the others had lost their lease. All or none are handled.
   *
   * @throws Contended
   */
  complete(reports: readonly Report[]): Promise<Set<string>>;
  /** The lease tokens that this worker holds no longer. */
  beat(status: 'running' | 'stopped', leaseTokens: readonly string[]): Promise<Set<string>>;
}

/**
 * Says when a look into the queue is worth while, and the attempt on which lease was cancelled. Lost messages are allowed,
 * and so are late ones.
 */
export interface QueueEvents {
  /** Listens as soon as it can, and from then on. */
  start(handlers: { onReady: () => void; onCancelled: (leaseToken: string) => void }): void;
  stop(): void;
}
