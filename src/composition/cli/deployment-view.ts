import type { Deployment } from '#src/application/release/deployment.ts';
import { impactView } from './impact-view.ts';

/** An entry of the log as everything else is printed, in snake case. */
export const deploymentView = (deployment: Deployment) => ({
  id: deployment.id,
  env: deployment.env,
  kind: deployment.kind,
  git_sha: deployment.gitSha,
  previous_sha: deployment.previousSha,
  status: deployment.status,
  started_at: deployment.startedAt,
  ended_at: deployment.endedAt,
  actor: deployment.actor,
  target: deployment.target,
  schema: deployment.schema,
  migrations: deployment.migrations,
  phases: deployment.phases.map(({ name, status, actor, startedAt, endedAt, summary }) => ({
    name,
    status,
    actor,
    started_at: startedAt,
    ended_at: endedAt,
    summary,
  })),
  gate: deployment.gate,
  schema_change: deployment.schemaChange && {
    ...deployment.schemaChange,
    impact: deployment.schemaChange.impact.map(impactView),
  },
});
