import type { Finding, Verdict } from '../checks/finding.ts';

export type GateEnvironment = 'dev' | 'staging' | 'prod';

/** One row of the table of checks: a process that decides. */
export interface GateCheck {
  /** In kebab case. */
  readonly name: string;
  /** What is so when it passes, and the laws that say so: `[DATA-5] the database has …`. */
  readonly holds: string;
  /** Program and arguments, run in the root of the checkout. */
  readonly command: readonly [string, ...string[]];
  readonly environments: readonly GateEnvironment[];
  /**
   * `exit code`: 0 passes and all else fails. `findings`: looks at the environment itself, whose variables it gets, and prints
   * what it found as `dragonfly … --json` does; warnings are possible.
   */
  readonly verdict: 'exit code' | 'findings';
  /** Added with `--strict`, for a command that knows warnings and has no other way to say so. */
  readonly whenStrict?: readonly string[];
  /** Added within a release, where the queues are frozen and migrations pending. */
  readonly whenReleasing?: readonly string[];
  /** Takes `--url` and `--ops-url` of what is deployed. */
  readonly takesPlace?: boolean;
  /** Takes `--base`, the commit that served before, within a release that knows one. */
  readonly takesBase?: boolean;
  /** Those that have to have passed: what it looks at is theirs. */
  readonly needs?: readonly string[];
  /** Nothing else runs beside it: it holds to limits in milliseconds, or uses the whole machine. */
  readonly alone?: boolean;
  readonly timeoutMs: number;
}

/** How a process ended. */
export interface Ended {
  /** 128 + n for signal n; 127 when there is no such program. */
  readonly code: number;
  readonly timedOut: boolean;
  /** What it printed for programs. */
  readonly output: string;
  /** The last lines of all that it printed. */
  readonly tail: string;
  /** Where all of it is. */
  readonly log: string;
  readonly ms: number;
}

export interface CheckProcesses {
  /** Ends it, and what it started, at its time-out and when `signal` is aborted. */
  run(check: GateCheck, signal: AbortSignal): Promise<Ended>;
}

/** What became of a check. */
export interface GateResult {
  readonly check: GateCheck;
  readonly verdict: Verdict;
  readonly summary: string;
  readonly ms: number;
  /** What the check found itself, if that is how it speaks. */
  readonly findings: readonly Finding[];
  readonly tail?: string | undefined;
  readonly log?: string | undefined;
}
