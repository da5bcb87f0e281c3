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
   * The leases whose outcome was refused because they were lost; the other jobs took theirs. All or none are handled.
   *
   * @throws Contended
   */
  complete(reports: readonly Report[]): Promise<ReadonlySet<string>>;
  /** A sign of life that names all jobs this worker has. */
  beat(status: 'running' | 'stopped', leases: readonly ClaimedLease[]): Promise<Beat>;
}

/** A job that a worker has, by the claim that gave it. */
export type ClaimedLease = Pick<ClaimedJob, 'id' | 'leaseToken'>;

export interface Beat {
  /** Tokens of the leases that this worker holds no longer. */
  readonly lost: ReadonlySet<string>;
  readonly command: WorkerCommand;
}

/** What operators ask of a worker: to take jobs, to take no more but stay, to shut down. */
export type WorkerCommand = 'run' | 'drain' | 'stop';

/** Which jobs must not be begun now. */
export interface QueuePause {
  /** Undefined: of all types. */
  readonly type: string | undefined;
  /** Undefined: of all organisations. */
  readonly organizationId: string | undefined;
}

/**
 * Lost messages are allowed, and so are late ones: each only says sooner what a look, a beat or a report would say. And none is
 * believed: whoever may connect to the database can send one, under any name.
 */
export interface QueueEventHandlers {
  /** A look into the queue is worth while. @param type of what was queued, undefined when it may be any */
  readonly onReady: (type?: string) => void;
  /** A beat may find that the attempt on this lease was cancelled. */
  readonly onCancelled: (leaseToken: string) => void;
  readonly onPaused: (pause: QueuePause) => void;
  /** A beat may bring another command. */
  readonly onCommand: () => void;
}

export interface QueueEvents {
  /** Listens as soon as it can, and from then on. */
  start(handlers: QueueEventHandlers): void;
  /**
   * Whether `onReady` is wanted; until it is first called, it is not. Fulfils when whoever queues from now on sees it. Never
   * rejects: what cannot be said now is said, and `onReady` called, when it listens again.
   */
  setIdle(idle: boolean): Promise<void> | void;
  stop(): void;
}

/** Of a worker that only polls and beats. */
export const noQueueEvents: QueueEvents = { start() {}, setIdle() {}, stop() {} };
