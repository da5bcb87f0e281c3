/*
 * Glossary, used alike in code, SQL, API and metrics:
 *
 * - job: work to be done, kept when it is finished
 * - queue: the jobs of one type
 * - claim: a worker takes a pending job; this counts one attempt and grants a lease
 * - lease: the right to work on a job now; its token fences off whoever lost it
 * - outcome: what a worker reports of an attempt
 * - dead letter: a job with the status `failed`; it stays until it is retried
 * - heartbeat: a worker's sign of life
 */

export const JOB_STATUSES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const PRIORITY = { least: -100, default: 0, most: 100 } as const;

/** RFC 3339 in UTC with microseconds, as the database has it. */
export type Timestamp = string;

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

export interface Job {
  readonly id: string;
  readonly type: string;
  readonly status: JobStatus;
  readonly priority: number;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly createdAt: Timestamp;
  readonly runAt: Timestamp;
  readonly startedAt: Timestamp | null;
  readonly finishedAt: Timestamp | null;
  readonly lastError: string | null;
  readonly result: JsonValue;
  readonly traceId: string;
}

/** What one job asks for in place of what its type has. */
export interface JobOptions {
  /** Deadline of one attempt. */
  readonly timeoutSeconds?: number;
  /** The back-off, as in RetryPolicy. */
  readonly initialDelaySeconds?: number;
  readonly factor?: number;
  readonly maxDelaySeconds?: number;
}

/** A job as it is queued. */
export interface NewJob {
  readonly type: string;
  readonly payload: JsonValue;
  readonly maxAttempts: number;
  readonly priority?: number | undefined;
  readonly runAt?: Timestamp | undefined;
  readonly uniqueKey?: string | undefined;
  readonly options?: JobOptions | undefined;
}

/** A job as a client or a handler asks for it; the type decides about attempts. */
export type JobRequest = Omit<NewJob, 'maxAttempts'> & { readonly maxAttempts?: number | undefined };

/** A job as a worker holds it: the right to one attempt. */
export interface ClaimedJob {
  readonly id: string;
  readonly type: string;
  readonly payload: JsonValue;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly leaseToken: string;
  readonly priority: number;
  readonly traceId: string;
  readonly organizationId: string | null;
  readonly options: JobOptions | null;
}

/** The queue of one type, as one organisation sees it. */
export interface Queue {
  readonly type: string;
  /** Jobs that could run now. */
  readonly depth: number;
  readonly scheduled: number;
  readonly processing: number;
  /** Dead letters. */
  readonly failed: number;
  /** How long the oldest job that could run has waited. */
  readonly oldestAgeSeconds: number | null;
  readonly paused: boolean;
}

export interface Worker {
  readonly id: string;
  readonly type: string;
  readonly status: 'running' | 'stopped' | 'error';
  readonly alive: boolean;
  readonly startedAt: Timestamp;
  readonly lastSeenAt: Timestamp;
}
