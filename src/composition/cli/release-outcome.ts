import type { DeploymentStatus } from '#src/application/release/deployment.ts';
import type { Plan } from '#src/application/release/plan.ts';
import type { Left } from '#src/application/release/release.ts';
import type { Outcome } from './command.ts';
import { deploymentView } from './deployment-view.ts';
import { impactText } from './impact-text.ts';
import { impactView } from './impact-view.ts';
import { tableOf } from './table.ts';

/** Where a release, and where a rollback is what it is to be. */
export const RELEASED: readonly DeploymentStatus[] = ['succeeded'];
export const GONE_BACK: readonly DeploymentStatus[] = ['succeeded', 'rolled_back', 'aborted'];

/** A plan, or what became of a release or rollback. */
export function releaseOutcome(result: Left | Plan, passing: readonly DeploymentStatus[]): Outcome {
  if (!('deployment' in result)) return planOutcome(result);
  const { deployment, message } = result;
  const phases = deployment.phases.map(({ name, status, summary }) => [
    name,
    status,
    summary.split('\n')[0] ?? '',
  ]);
  return {
    text: `${tableOf(phases)}\n\n${deployment.id} ${deployment.status}\n${message}`,
    data: { ...deploymentView(deployment), message },
    status: passing.includes(deployment.status) ? 'pass' : 'fail',
  };
}

function planOutcome({ phases, impact }: Plan): Outcome {
  const plan = tableOf(phases.map(({ name, what }) => [name, what]));
  return {
    text: impact.length === 0 ? plan : `${plan}\n\n${impactText(impact)}`,
    data: { plan: phases, impact: impact.map(impactView) },
  };
}
