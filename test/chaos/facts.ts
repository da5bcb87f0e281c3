/*
 * What a chaos run knows of each job, from three sides that do not know of each other: who queued it, who ran it, and the
 * queue at the end. Jobs are told apart by the number in their payload.
 */

/** What was asked for. */
export interface Plan {
  /** Not before, in milliseconds since 1970. */
  readonly runAtMs: number;
  readonly maxAttempts: number;
  /** The attempts up to this one fail. */
  readonly failures: number;
  /** Fails for good, whatever attempts are left. */
  readonly dies: boolean;
}

/** Unknown: the answer to the commit was lost, so the queue decides. */
export type Fate = 'committed' | 'rolled back' | 'unknown';

export interface Execution {
  readonly attempt: number;
  readonly startedMs: number;
}

/** The job as its organisation sees it when all is over. */
export interface Final {
  readonly status: string;
  readonly attempts: number;
  /** The attempt whose result was kept. */
  readonly resultOf: number | null;
}

export interface JobFacts {
  readonly n: number;
  /** Jobs of one transaction are there together or not at all. */
  readonly transaction: number;
  readonly plan: Plan;
  readonly fate: Fate;
  /** Whether a client asked to cancel it, and was told that it is cancelled. */
  readonly cancel: 'no' | 'asked' | 'told';
  readonly executions: readonly Execution[];
  /** Attempts of which a worker was told that their completion took effect. */
  readonly accepted: readonly number[];
  /** One, unless something is wrong or it was not queued. */
  readonly finals: readonly Final[];
}
