import type { Job, JobStatus, NewJob, Queue, Timestamp, Worker } from '#src/domain/jobs/job.ts';
import type { Statement } from '../transactions.ts';

export interface QueuedJob {
  readonly id: string;
  /** False when an unfinished job with that unique key was there already: it is that one. */
  readonly created: boolean;
  readonly createdAt: Timestamp;
  readonly runAt: Timestamp;
}

/** Newest first. It may hold fewer jobs than asked for, or none, although there are more. */
export interface JobPage {
  readonly jobs: Job[];
  /** The id after which the next page starts; undefined on the last one. */
  readonly next: string | undefined;
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
  findJobs(ids: readonly string[]): Statement<Job[]>;
  listJobs(filter: JobFilter, after: string | undefined, limit: number): Statement<JobPage>;
  /** The job afterwards; unchanged when it was finished already; undefined when there is none. */
  cancelJob(id: string): Statement<Job | undefined>;
  /** The job afterwards; unchanged when it is processing or completed; undefined when there is none. */
  retryJob(id: string): Statement<Job | undefined>;
  /** Queues the oldest dead letters of a type again; how many. */
  redriveJobs(type: string, limit: number): Statement<number>;
  /** Deletes the oldest dead letters of a type; how many. */
  purgeJobs(type: string, limit: number): Statement<number>;
  /** Only types with unfinished jobs, dead letters or a pause. */
  listQueues(): Statement<Queue[]>;
  pauseQueue(type: string): Statement<void>;
  resumeQueue(type: string): Statement<void>;
  listWorkers(): Statement<Worker[]>;
}
