import type { Finding } from '../checks/finding.ts';
import type { GateEnvironment } from '../gate/check.ts';
import type { MigrationImpact } from '../migrations/impact.ts';
import type { Deployment, GateRecord } from './deployment.ts';
import type { Means } from './rules.ts';
import type { AcceptedAdvisory } from './triage.ts';

export interface DeploymentLog {
  /** The one that has not ended; there is at most one. */
  running(env: GateEnvironment): Promise<Deployment | undefined>;
  /** Newest first. */
  history(env: GateEnvironment): Promise<readonly Deployment[]>;
  /** As it is now. @throws Error when another one of the environment is running */
  save(deployment: Deployment): Promise<void>;
}

export interface Deploy {
  readonly sha: string;
  /** The deployment's. */
  readonly id: string;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

/** Where a commit comes to serve. */
export interface ReleaseTarget {
  /** For the plan. */
  describe(sha: string): string;
  /** Changes nothing. @throws Error when it can already be told that the commit cannot be deployed from here */
  check(sha: string, signal: AbortSignal): Promise<void>;
  /**
   * Fulfils once the commit serves, with what was done. Nothing is left to do for a commit that serves already, and after a kill
   * it goes on.
   */
  deploy(deploy: Deploy): Promise<string>;
}

/** The freeze of a release. Somebody else's stays as it is. */
export interface QueueFreeze {
  /** Changes nothing when the queues are frozen already. */
  freeze(): Promise<void>;
  /** Changes nothing when somebody else has frozen the queues. */
  unfreeze(): Promise<void>;
  /** Who, and since when, if it was no release. */
  heldBy(): Promise<string | undefined>;
}

export interface AppliedMigration {
  readonly name: string;
  /** Whether the release before works with the schema after it. */
  readonly compatible: boolean;
  /** Of a rollback that was prepared: the migration after which it is for the release before again. */
  readonly takesBack: string | null;
}

/** A migration that waits for the day on which another one has to be taken back (DATA-2). */
export interface PreparedRollback {
  readonly name: string;
  readonly takesBack: string;
}

export interface Migrations {
  pending(): Promise<readonly string[]>;
  /** Of those files that are applied. */
  applied(): Promise<readonly AppliedMigration[]>;
  /** All that are pending, and which those were. */
  up(): Promise<readonly string[]>;
  /** Takes back this one and all after it, by their down steps. */
  downThrough(name: string): Promise<readonly string[]>;
  /** Of this checkout, and not applied. */
  prepared(): Promise<readonly PreparedRollback[]>;
  /** Applies rollbacks that were prepared, as new migrations, and nothing else that is pending. */
  applyPrepared(names: readonly string[]): Promise<readonly string[]>;
}

/** What looks at the migrated database, before anything of the release serves. */
export interface Verifier {
  readonly name: string;
  verify(): Promise<readonly Finding[]>;
}

/** One look at the service. */
export interface WatchSample {
  readonly ready: boolean;
  /** What it says to be, null when it says nothing. */
  readonly sha: string | null;
  /** Of the process that answered, null where its metrics cannot be read. */
  readonly process: {
    /** Unix time in seconds. */
    readonly startedAt: number;
    readonly requests: number;
    /** Answers of 500 and more. */
    readonly errors: number;
  } | null;
}

export interface ReleaseClock {
  now(): number;
  /** @throws Error once `signal` is aborted */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface ReleaseTools {
  readonly log: DeploymentLog;
  readonly target: ReleaseTarget;
  readonly queues: QueueFreeze;
  readonly migrations: Migrations;
  /** @param base the commit that served before, if one did. @throws Error once `signal` is aborted */
  readonly hardGate: (base: string | null, signal: AbortSignal) => Promise<GateRecord>;
  /** The advisories that this checkout accepts. @throws Error when that cannot be told */
  readonly triage: () => Promise<readonly AcceptedAdvisory[]>;
  /** What pending migrations do to this database. */
  readonly impact: (names: readonly string[]) => Promise<readonly MigrationImpact[]>;
  readonly softGate: () => Promise<readonly Finding[]>;
  readonly verifiers: readonly Verifier[];
  /** `job`: with one there and back, which frozen queues would keep. */
  readonly smoke: (sha: string, options: { readonly job: boolean }) => Promise<readonly Finding[]>;
  readonly look: () => Promise<WatchSample>;
  readonly means: Means;
  /** Warnings of verify and smoke test stop a release, too. */
  readonly strict: boolean;
  /** Whether a rollback may take migrations back. */
  readonly allowDown: boolean;
  readonly clock: ReleaseClock;
  /** Why it failed, with all causes, and without secrets. */
  readonly reasonOf: (error: unknown) => string;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}
