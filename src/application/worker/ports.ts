import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';

export interface Report {
  readonly job: ClaimedJob;
  readonly outcome: Outcome;
}

/** The queue as a worker sees it. Each call is one statement; each can fail with DomainError `database_unavailable`. */
export interface WorkerQueue {
  /** Most urgent first. An empty list: nothing to do now. */
  claim(types: readonly string[], limit: number): Promise<ClaimedJob[]>;
  /** The ids of the jobs that took the outcome; the others had lost their lease. */
  complete(reports: readonly Report[]): Promise<Set<string>>;
  /** The lease tokens that this worker holds no longer. */
  beat(status: 'running' | 'stopped', leaseTokens: readonly string[]): Promise<Set<string>>;
}

/** Says when a look into the queue is worth while, and which job was cancelled. Lost messages are allowed. */
export interface QueueEvents {
  start(handlers: { onReady: () => void; onCancelled: (jobId: string) => void }): Promise<void>;
  stop(): Promise<void>;
}
