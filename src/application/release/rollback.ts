import { courseOf } from './course.ts';
import { type Deployment, lastGood } from './deployment.ts';
import type { ReleaseTools } from './ports.ts';
import { type Left, type ReleaseRequest, abort, goBack, hasChanged } from './release.ts';
import { refuseWithout } from './rules.ts';

export interface RollbackRequest extends Pick<ReleaseRequest, 'id' | 'env' | 'target' | 'actor'> {
  /** Instead of the last good commit. */
  readonly to: string | undefined;
}

/**
 * Goes back: from a release that has not ended to where it began, else from what serves to the last good commit before it.
 *
 * @throws Forbidden, Error when the log knows no commit to go back to, and what the log throws
 */
export async function rollback(request: RollbackRequest, tools: ReleaseTools): Promise<Left> {
  refuseWithout(tools.means, { env: request.env, kind: 'rollback', dryRun: false });
  const deployment = await begunRollback(request, tools);
  const course = courseOf(deployment, request.actor, tools);
  const why = `${request.actor} asked for it`;
  return (await isUnchanged(deployment, tools))
    ? await abort(course, why, tools)
    : await goBack(course, why, tools);
}

/** What has not ended, or a rollback that is new. @throws Error when the log knows no commit to go back to */
export async function begunRollback(request: RollbackRequest, tools: ReleaseTools): Promise<Deployment> {
  const found = await tools.log.running(request.env);
  if (!found) return await newRollback(request, tools);
  refuseOther(found, request);
  return found;
}

/** Of a release that only looked there is nothing to take back. */
export const isUnchanged = async (deployment: Deployment, tools: ReleaseTools): Promise<boolean> =>
  deployment.kind === 'release' && !(await hasChanged(deployment, tools));

async function newRollback(
  { to, ...request }: RollbackRequest,
  { log, clock }: ReleaseTools,
): Promise<Deployment> {
  const history = await log.history(request.env);
  const current = currentSha(history);
  if (current === null) throw new Error(`Nothing was released to ${request.env} yet, as its log says.`);
  const goal =
    to === undefined
      ? lastGood(history, current)
      : history.find(({ gitSha, status }) => gitSha === to && status === 'succeeded');
  if (!goal)
    throw new Error(
      to === undefined
        ? `The log knows no good commit before ${current}.`
        : `The log does not say that ${to} ever served well; see \`dragonfly deployments list\`.`,
    );
  return {
    ...request,
    kind: 'rollback',
    gitSha: goal.gitSha,
    previousSha: current,
    startedAt: new Date(clock.now()).toISOString(),
    endedAt: null,
    status: 'running',
    phases: [],
    gate: null,
    schema: goal.schema,
    migrations: [],
    schemaChange: null,
  };
}

/** What serves, or was to serve when somebody was needed. */
function currentSha(history: readonly Deployment[]): string | null {
  const last = history.find(({ status }) => status === 'succeeded' || status === 'failed');
  if (!last) return null;
  return last.kind === 'rollback' && last.status === 'failed' ? last.previousSha : last.gitSha;
}

function refuseOther(found: Deployment, { to, target }: RollbackRequest): void {
  if (target !== found.target)
    throw new Error(`What has not ended was begun with the target ${found.target}: go back with that one.`);
  const goal = found.kind === 'rollback' ? found.gitSha : found.previousSha;
  if (to !== undefined && to !== goal)
    throw new Error(`What has not ended goes back to ${goal ?? 'nothing'}: do that first, without --to.`);
}
