import { isDue } from './course.ts';
import type { MigrationImpact } from '../migrations/impact.ts';
import type { Deployment } from './deployment.ts';
import type { Phase } from './phase.ts';
import { RELEASE_PHASES } from './phases.ts';
import type { ReleaseTools } from './ports.ts';
import { type ReleaseRequest, begunRelease, isGoingBack } from './release.ts';
import { ROLLBACK_PHASES } from './rollback-phases.ts';
import { refuseWithout } from './rules.ts';
import { type RollbackRequest, begunRollback, isUnchanged } from './rollback.ts';

export interface PlannedPhase {
  readonly name: string;
  readonly what: string;
}

export interface Plan {
  readonly phases: readonly PlannedPhase[];
  /** Of the migrations that are still pending. */
  readonly impact: readonly MigrationImpact[];
}

/** What a release would do now, of one that has not ended the rest. Changes nothing. */
export async function planRelease(request: ReleaseRequest, tools: ReleaseTools): Promise<Plan> {
  refuseWithout(tools.means, { env: request.env, kind: 'release', dryRun: true });
  const deployment = await begunRelease(request, tools);
  if (isGoingBack(deployment)) return { phases: planOf(ROLLBACK_PHASES, deployment, tools), impact: [] };
  const pending = await tools.migrations.pending();
  return {
    phases: planOf(RELEASE_PHASES, deployment, tools),
    impact: pending.length === 0 ? [] : await tools.impact(pending),
  };
}

export async function planRollback(request: RollbackRequest, tools: ReleaseTools): Promise<Plan> {
  refuseWithout(tools.means, { env: request.env, kind: 'rollback', dryRun: true });
  const deployment = await begunRollback(request, tools);
  const isChanged = !(await isUnchanged(deployment, tools));
  const abort = {
    name: 'abort',
    what: `workers claim again; the release to ${deployment.gitSha} changed nothing`,
  };
  return { phases: isChanged ? planOf(ROLLBACK_PHASES, deployment, tools) : [abort], impact: [] };
}

const planOf = (phases: readonly Phase[], deployment: Deployment, tools: ReleaseTools): PlannedPhase[] =>
  phases
    .filter((phase) => isDue(phase, deployment, tools.clock.now()))
    .map(({ name, plan }) => ({ name, what: plan(deployment, tools) }));
