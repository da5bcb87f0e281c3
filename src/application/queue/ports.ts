import type { Job, JobStatus, NewJob, Queue, Timestamp, Worker } from '#src/domain/jobs/job.ts';
import type { Statement } from '../transactions.ts';

export interface QueuedJob {
  readonly job: Job;
  /** False when an unfinished job with that unique key was there already. */
  readonly created: boolean;
}

/** Position after which a page starts: newest first. */
export interface JobPosition {
  readonly createdAt: Timestamp;
  readonly id: string;
}

export interface JobFilter {
  readonly type?: string | undefined;
  readonly status?: JobStatus | undefined;
  readonly createdFrom?: Timestamp | undefined;
  readonly createdBefore?: Timestamp | undefined;
}

/** Statements on the queue, each within the organisation of the transaction's context. */
export interface QueueStore {
  queueJob(job: NewJob): Statement<QueuedJob>;
  /** In the order given, all or none. */
  queueJobs(jobs: readonly NewJob[]): Statement<QueuedJob[]>;
  findJob(id: string): Statement<Job | undefined>;
  /** Newest first, at most `limit`. */
  listJobs(filter: JobFilter, after: JobPosition | undefined, limit: number): Statement<Job[]>;
  /** The job afterwards; unchanged when it was finished already; undefined when there is none. */
  cancelJob(id: string): Statement<Job | undefined>;
  /** The job afterwards; unchanged when it is processing or completed; undefined when there is none. */
  retryJob(id: string): Statement<Job | undefined>;
  /** Only types with unfinished jobs or a pause. */
  listQueues(): Statement<Queue[]>;
  pauseQueue(type: string): Statement<void>;
  resumeQueue(type: string): Statement<void>;
  listWorkers(): Statement<Worker[]>;
}
