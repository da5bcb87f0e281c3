import { type Deployment, phaseOf } from './deployment.ts';
import type { Phase } from './phase.ts';
import { smoked, unfrozen } from './phases.ts';
import type { ReleaseTools } from './ports.ts';

/** What is to serve after it. */
const goalOf = ({ id, kind, gitSha, previousSha }: Deployment): string => {
  const goal = kind === 'rollback' ? gitSha : previousSha;
  if (goal === null) throw new Error(`The deployment ${id} has nothing to go back to.`);
  return goal;
};

/** Back to a commit that served well, within a release that failed or as a deployment of its own (DEP-4). */
export const ROLLBACK_PHASES: readonly Phase[] = [
  {
    name: 'rollback-freeze',
    plan: () => 'no worker claims a job; what runs goes on',
    run: async (_, { queues }) => {
      await queues.freeze();
      return { summary: 'the queues are frozen' };
    },
    isStale: (deployment) => !phaseOf(deployment, 'rollback-unfreeze'),
  },
  {
    name: 'rollback-migrate',
    plan: (deployment) => `${goalOf(deployment)} works with the schema, or is made to`,
    run: async (deployment, tools) => ({ summary: await mendSchema(deployment, tools) }),
  },
  {
    name: 'rollback-deploy',
    plan: (deployment, { target }) => target.describe(goalOf(deployment)),
    run: async (deployment, { target, signal, progress }) => ({
      summary: await target.deploy({ sha: goalOf(deployment), id: deployment.id, signal, progress }),
    }),
  },
  {
    name: 'rollback-unfreeze',
    plan: () => 'workers claim again',
    run: async (_, { queues }) => await unfrozen(queues),
  },
  {
    name: 'rollback-smoke',
    plan: () => 'what DEP-3 asks for',
    // Not strict: nobody is helped by a way back that has failed for a warning.
    run: async (deployment, tools) => await smoked(goalOf(deployment), { ...tools, strict: false }),
  },
];

export const isRollingBack = ({ phases }: Deployment): boolean =>
  phases.some(({ name }) => name.startsWith('rollback-'));

/**
 * A schema with which the commit works: newer migrations stay, unless they say that they break what was before. Those are taken back
 * by what was prepared for it, a new migration, as is the only way in prod (DATA-2). Nothing brings again what was taken back.
 */
async function mendSchema(
  deployment: Deployment,
  { log, migrations, allowDown }: ReleaseTools,
): Promise<string> {
  const goal = goalOf(deployment);
  const served = (await log.history(deployment.env)).find(
    ({ gitSha, status }) => gitSha === goal && status === 'succeeded',
  );
  if (!served) throw new Error(`The log does not say that ${goal} ever served, nor with which schema.`);
  const unknown = (await migrations.applied()).filter(({ name }) => name > served.schema);
  const undone = unknown.find(({ takesBack }) => takesBack !== null && takesBack <= served.schema);
  if (undone)
    throw new Error(
      `${goal} needs ${undone.takesBack}, which ${undone.name} took back: write a migration that brings it again, and release that.`,
    );
  const takenBack = new Set(unknown.map(({ takesBack }) => takesBack));
  const broken = unknown.filter(({ name, compatible }) => !compatible && !takenBack.has(name));
  const [breaking] = broken;
  if (!breaking) return `${unknown.length} newer migrations stay; ${goal} works with them`;
  const prepared = await migrations.prepared();
  const rollbacks = broken.map(({ name }) => prepared.find(({ takesBack }) => takesBack === name)?.name);
  if (rollbacks.every((name) => name !== undefined))
    return `applied ${(await migrations.applyPrepared(rollbacks)).join(', ')}`;
  if (deployment.env === 'prod')
    throw new Error(
      `${goal} does not work with ${breaking.name}, nothing is prepared to take it back, and in prod no down step does (DATA-2): write a migration that mends it, and release that.`,
    );
  if (!allowDown)
    throw new Error(
      `${goal} does not work with ${breaking.name}. Data of it may be lost: say --allow-down to take it and all after it back.`,
    );
  return `took back ${(await migrations.downThrough(breaking.name)).join(', ')}`;
}
