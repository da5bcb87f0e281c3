import type { GateEnvironment } from '../gate/check.ts';
import type { MigrationImpact } from '../migrations/impact.ts';
import type { AcceptedAdvisory } from './triage.ts';

/** `stopped`: by a signal. */
export type PhaseStatus = 'running' | 'done' | 'failed' | 'stopped';

export interface PhaseRecord {
  readonly name: string;
  readonly status: PhaseStatus;
  /** Who: it may be gone on with by somebody else than who began. */
  readonly actor: string;
  /** RFC 3339, as every time here. */
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly summary: string;
}

/** What is kept of the hard gate. */
export interface GateRecord {
  readonly sha: string;
  readonly strict: boolean;
  readonly started_at: string;
  readonly passed: boolean;
  readonly hashes: Readonly<Record<string, string>>;
  readonly checks: readonly { readonly name: string; readonly verdict: string }[];
  /** Where everything is that the checks printed, on the machine of the gate. */
  readonly logs: string | null;
}

/** What a release with migrations carries (DEP-2). */
export interface SchemaChange {
  /** What the gate's scan of the dependencies said; null in dev, whose gate has none. */
  readonly scan: { readonly check: string; readonly verdict: string; readonly at: string } | null;
  /** What the scan found and somebody has accepted. */
  readonly triage: readonly AcceptedAdvisory[];
  readonly impact: readonly MigrationImpact[];
}

/** `running` until it has ended, also while nobody works on it. */
export type DeploymentStatus = 'running' | 'succeeded' | 'rolled_back' | 'failed' | 'aborted';

/** One entry of the log of deployments (DEP-5). */
export interface Deployment {
  readonly id: string;
  readonly env: GateEnvironment;
  readonly kind: 'release' | 'rollback';
  /** What is to serve at its end. */
  readonly gitSha: string;
  /** Of a release the last good commit before it, to which it goes back; of a rollback the one that is left. */
  readonly previousSha: string | null;
  readonly target: string;
  /** Who began it. */
  readonly actor: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly status: DeploymentStatus;
  readonly phases: readonly PhaseRecord[];
  readonly gate: GateRecord | null;
  /** The newest migration that the commit was written for. */
  readonly schema: string;
  /** Those that were pending when it began. */
  readonly migrations: readonly string[];
  /** What a release with migrations carries (DEP-2), once its hard gate has let it through. */
  readonly schemaChange: SchemaChange | null;
}

export const phaseOf = ({ phases }: Deployment, name: string): PhaseRecord | undefined =>
  phases.find((phase) => phase.name === name);

/** In the place of what was recorded of that phase before, or at the end. */
export const withPhase = (deployment: Deployment, phase: PhaseRecord): Deployment => ({
  ...deployment,
  phases: phaseOf(deployment, phase.name)
    ? deployment.phases.map((one) => (one.name === phase.name ? phase : one))
    : [...deployment.phases, phase],
});

/**
 * The newest commit that served well, other than `sha`. Not one that a later rollback has left, unless it was released again.
 *
 * @param history newest first, of one environment
 */
export function lastGood(history: readonly Deployment[], sha: string): Deployment | undefined {
  const left = new Set<string>([sha]);
  for (const deployment of history.filter(({ status }) => status === 'succeeded')) {
    if (!left.has(deployment.gitSha)) return deployment;
    if (deployment.kind === 'rollback' && deployment.previousSha !== null) left.add(deployment.previousSha);
  }
  return undefined;
}
