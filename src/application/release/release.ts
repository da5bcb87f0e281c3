import { type Course, PhaseFailure, courseOf } from './course.ts';
import { type Deployment, lastGood } from './deployment.ts';
import { RELEASE_PHASES, hasDeployed } from './phases.ts';
import type { ReleaseTools } from './ports.ts';
import { refuseWithout } from './rules.ts';
import { ROLLBACK_PHASES, isRollingBack } from './rollback-phases.ts';

/** What is to be released, and who says so. */
export interface ReleaseRequest extends Pick<Deployment, 'env' | 'gitSha' | 'target' | 'actor' | 'schema'> {
  readonly id: string;
}

/** Where a run of the command left a deployment. One that is still `running` goes on with the next one. */
export interface Left {
  readonly deployment: Deployment;
  /** What happened, and what to do if there is something. */
  readonly message: string;
}

/**
 * Releases a commit (DEP-4), or goes on with its release. A fault before anything was changed ends it as `aborted`; a migrated
 * schema stays, and the release waits to be gone on with; what has been deployed and does not serve well is rolled back at once.
 *
 * @throws Forbidden, Error when something else is running, and what the log throws
 */
export async function release(request: ReleaseRequest, tools: ReleaseTools): Promise<Left> {
  refuseWithout(tools.means, { env: request.env, kind: 'release', dryRun: false });
  const course = courseOf(await begunRelease(request, tools), request.actor, tools);
  if (isGoingBack(course.now)) return await goBack(course, 'It had failed', tools);
  try {
    await course.run(RELEASE_PHASES);
  } catch (error) {
    if (error instanceof PhaseFailure) return await afterFailure(course, error, tools);
    throw error;
  }
  return { deployment: await course.end('succeeded'), message: `${request.gitSha} is released.` };
}

/** The one that has not ended, or a new one. @throws Error when something else is running */
export async function begunRelease(
  request: ReleaseRequest,
  { log, migrations, clock }: ReleaseTools,
): Promise<Deployment> {
  const found = await log.running(request.env);
  if (found) {
    refuseAnother(found, request);
    return found;
  }
  return {
    ...request,
    kind: 'release',
    previousSha: lastGood(await log.history(request.env), request.gitSha)?.gitSha ?? null,
    startedAt: new Date(clock.now()).toISOString(),
    endedAt: null,
    status: 'running',
    phases: [],
    gate: null,
    migrations: await migrations.pending(),
    schemaChange: null,
  };
}

/** It was killed between the fault and its consequence, or in the middle of that. */
export const isGoingBack = (deployment: Deployment): boolean =>
  isRollingBack(deployment) ||
  (hasDeployed(deployment) && deployment.phases.some(({ status }) => status === 'failed'));

function refuseAnother(found: Deployment, { gitSha, env, target }: ReleaseRequest): void {
  if (found.kind === 'release' && found.gitSha === gitSha && found.target === target) return;
  throw new Error(
    `A ${found.kind} to ${found.gitSha} by ${found.actor}, target ${found.target}, has not ended in ${env}: ${
      found.kind === 'release' ? 'release that commit to go on with it, or go' : 'go'
    } back with \`dragonfly rollback\`.`,
  );
}

async function afterFailure(course: Course, failure: PhaseFailure, tools: ReleaseTools): Promise<Left> {
  if (!(await hasChanged(course.now, tools))) return await abort(course, failure.message, tools);
  if (hasDeployed(course.now) && !failure.stopped) return await goBack(course, failure.message, tools);
  return {
    deployment: course.now,
    message: `${failure.message}\nIt waits, with ${
      hasDeployed(course.now) ? 'the commit deployed' : 'the schema migrated and the queues frozen'
    }: release the same commit to go on, or go back with \`dragonfly rollback\`.`,
  };
}

/** Whether the release did more than look and freeze. What cannot be told counts as changed. */
export async function hasChanged(deployment: Deployment, { migrations }: ReleaseTools): Promise<boolean> {
  if (hasDeployed(deployment)) return true;
  try {
    const pending = new Set(await migrations.pending());
    return deployment.migrations.some((name) => !pending.has(name));
  } catch {
    return true; // It cannot be told now; whoever goes on will ask again.
  }
}

/** Leaves everything as it was before the release. */
export async function abort(course: Course, why: string, { queues }: ReleaseTools): Promise<Left> {
  await queues.unfreeze();
  const deployment = await course.end('aborted');
  return { deployment, message: `${why}\nAborted: nothing was changed, and the queues are as they were.` };
}

/** Goes on with going back, or begins it. */
export async function goBack(course: Course, why: string, tools: ReleaseTools): Promise<Left> {
  const { kind, gitSha, previousSha } = course.now;
  const goal = kind === 'rollback' ? gitSha : previousSha;
  if (goal === null) {
    await tools.queues.unfreeze();
    const message = `${why}\nThere is no good commit before it: what is there stays. Mend it, and release again.`;
    return { deployment: await course.end('failed'), message };
  }
  try {
    await course.run(ROLLBACK_PHASES);
  } catch (error) {
    if (!(error instanceof PhaseFailure)) throw error;
    if (error.stopped) {
      const message = `${why}\n${error.message}\nThe way back to ${goal} waits: go on with \`dragonfly rollback\`.`;
      return { deployment: course.now, message };
    }
    const message = `${why}\n${error.message}\nThe way back to ${goal} failed, and somebody is needed now: see docs/runbooks/release.md#rollback-failed.`;
    return { deployment: await course.end('failed'), message };
  }
  const deployment = await course.end(kind === 'rollback' ? 'succeeded' : 'rolled_back');
  return { deployment, message: `${why}\nRolled back: ${goal} serves again.` };
}
