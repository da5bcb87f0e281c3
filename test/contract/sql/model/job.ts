import type { Outcome } from '../queue.ts';

/** A claimant: of whom the lock time-out decides until it beats, and its beats from then on. */
export interface ModelWorker {
  readonly id: string;
  heart: 'none' | 'beating' | 'dead';
}

export interface Lease {
  readonly token: string;
  readonly worker: ModelWorker;
  /** Whether its lock time-out is over, which counts only for who never beat. */
  readonly expired: boolean;
}

/** A job as it must be. Never changed, always replaced: transactions hold versions of it. */
export interface Job {
  readonly id: string;
  readonly type: string;
  /** Of the call that queued it. */
  readonly batch: number;
  readonly key: string | undefined;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly attempts: number;
  readonly status: string;
  /** In milliseconds of the clock, and not later than the database has it. 0: at once. */
  readonly runAt: number;
  readonly lease: Lease | undefined;
}

export const isUnfinished = ({ status }: Job): boolean => status === 'pending' || status === 'processing';

/** Deleted, but for the transactions that still see it. */
export const isPurged = ({ status }: Job): boolean => status === 'purged';

/** Whether its attempt may be taken back although nobody reported an outcome. */
export const isLost = ({ lease }: Job): boolean =>
  lease !== undefined && (lease.worker.heart === 'none' ? lease.expired : lease.worker.heart === 'dead');

/** Whether a claim at that time may return it, paused queues and other transactions apart. */
export const isClaimable = (job: Job, at: number): boolean =>
  job.runAt <= at && (job.status === 'pending' || (isLost(job) && job.attempts < job.maxAttempts));

export const claimed = (job: Job, lease: Lease): Job => ({
  ...job,
  status: 'processing',
  attempts: job.attempts + 1,
  lease,
});

/** Taken back from who lost it. */
export const returned = (job: Job): Job => ({
  ...job,
  status: job.attempts < job.maxAttempts ? 'pending' : 'failed',
  lease: undefined,
});

/** With an outcome that was sent at that time. */
export function reported(job: Job, { status, backoff_seconds }: Outcome, at: number): Job {
  const runAt = backoff_seconds === undefined ? job.runAt : at + backoff_seconds * 1000;
  switch (status) {
    case 'pending':
      return { ...returned(job), runAt };
    case 'released':
      return { ...job, status: 'pending', attempts: job.attempts - 1, runAt, lease: undefined };
    default:
      return { ...job, status, lease: undefined };
  }
}

export const cancelled = (job: Job): Job =>
  isUnfinished(job) ? { ...job, status: 'cancelled', lease: undefined } : job;

export const purged = (job: Job): Job => ({ ...job, status: 'purged' });

export function retried(job: Job): Job {
  switch (job.status) {
    case 'pending':
      return job.runAt <= Date.now() ? job : { ...job, runAt: 0 };
    case 'failed':
    case 'cancelled':
      return { ...job, status: 'pending', attempts: 0, runAt: 0 };
    default:
      return job;
  }
}
