import type { Timestamp, Worker } from '#src/domain/jobs/job.ts';
import type { WorkerCommand } from '../worker/ports.ts';

export interface OperatedWorker extends Worker {
  /** What it shall do, or does. */
  readonly command: WorkerCommand;
}

/** A job whose worker died, and what became of it. */
export interface ReturnedJob {
  readonly id: string;
  readonly type: string;
  readonly became: 'requeued' | 'dead_lettered';
}

export interface Freeze {
  readonly since: Timestamp;
  /** Null: an operator of whom only the audit log knows more. */
  readonly by: string | null;
  /** Whether it is that of a release, which ends it. */
  readonly releasing: boolean;
}

/**
 * Workers and queues of the whole installation, which belong to no organisation and so to no API key. The audit log has each
 * freeze and command, under the role of the database that it came from.
 */
export interface QueueOperation {
  /** Takes over that of a release, which then does not end it. */
  freeze(): Promise<void>;
  /** Whoever froze them, a release too. */
  unfreeze(): Promise<void>;
  /** Null when they are not frozen. */
  frozen(): Promise<Freeze | null>;
  /** The oldest first. */
  listWorkers(): Promise<OperatedWorker[]>;
  /** It obeys at once, or with its next beat. False: there is no such worker. */
  commandWorker(id: string, command: WorkerCommand): Promise<boolean>;
  /** Sends the jobs of dead workers back at once, as the next claim of their type would. */
  returnLostJobs(): Promise<ReturnedJob[]>;
}
