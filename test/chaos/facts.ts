/*
 * What a chaos run knows of each job, from three sides that do not know of each other: who queued it, who ran it, and the
 * queue at the end. Jobs are told apart by the number in their payload.
 */

/** What was asked for. */
export interface Plan {
  /** Its place among the organisations of the run. */
  readonly organization: number;
  /** Not before, in milliseconds since 1970. */
  readonly runAtMs: number;
  readonly maxAttempts: number;
  /** The attempts up to this one fail. */
  readonly failures: number;
  /** Fails for good, whatever attempts are left. */
  readonly dies: boolean;
}

/** Unknown: the answer to the commit was lost, so the queue decides. Follow-up: it is there if its parent was completed. */
export type Fate = 'committed' | 'rolled back' | 'unknown' | 'follow-up';

/** Milliseconds since 1970, inclusive. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Execution {
  /** No other one has it. */
  readonly run: string;
  readonly attempt: number;
  readonly startedMs: number;
  /** From the question to the answer of its claim. */
  readonly claimed: Span;
}

/** The job as its organisation sees it when all is over. */
export interface Final {
  readonly status: string;
  readonly attempts: number;
  /** The execution whose result was kept. */
  readonly resultOf: string | null;
  /** The execution that a follow-up follows. */
  readonly follows: string | null;
}

/** A time in which no claim may find jobs of an organisation, or of any: from the answer to a pause until its end was asked for. */
export interface Halt extends Span {
  readonly organization: number | undefined;
}

export interface JobFacts {
  readonly n: number;
  /** Jobs of one transaction are there together or not at all. */
  readonly transaction: number;
  readonly plan: Plan;
  readonly fate: Fate;
  /** The number of the job that it follows. */
  readonly parent: number | undefined;
  /** Whether a client asked to cancel it, and was told that it is cancelled. */
  readonly cancel: 'no' | 'asked' | 'told';
  readonly executions: readonly Execution[];
  /** Executions of which a worker was told that their completion took effect. */
  readonly accepted: readonly string[];
  /** How often the queue says that it was redriven: each time all its attempts begin anew. */
  readonly redriven: number;
  /** One, unless something is wrong or it was not queued. */
  readonly finals: readonly Final[];
}
