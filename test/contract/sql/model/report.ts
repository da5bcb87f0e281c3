import { expect } from 'vitest';
import { type Claim, type Outcome, only } from '../queue.ts';
import { type Command, command, nth } from './command.ts';
import { takeFollowUp } from './enqueue.ts';
import { isLost, reported } from './job.ts';
import { type Real, ask, sqlOf } from './real.ts';
import type { World } from './world.ts';

/**
 * An outcome of one of the attempts that ever were: current, lost, superseded or rolled back.
 *
 * @param followUp the number of the type of a job that follows
 */
export const report = (session: number, number: number, outcome: Outcome, followUp?: number): Command =>
  command(
    `report ${session} of claim ${number} ${JSON.stringify(outcome)} followed by ${followUp}`,
    async (world, real) => {
      const claim = nth(world.claims, number);
      const type = followUp === undefined ? undefined : world.types[followUp];
      if (claim) await reportOf(world, real, { session, claim, outcome, followUp: type });
    },
    (world) => world.claims.length > 0,
  );

interface Reporting {
  readonly session: number;
  readonly claim: Claim;
  readonly outcome: Outcome;
  /** The type of a job that follows. */
  readonly followUp?: string | undefined;
}

export async function reportOf(
  world: World,
  real: Real,
  { session, claim, outcome, followUp }: Reporting,
): Promise<void> {
  const id = claim.job_id;
  const job = world.see(session, id);
  const current = job?.lease?.token === claim.lease_token;
  const at = Date.now();
  const ofJob = waitsOf(world, session, id, current);
  const waits = ofJob === 'never' && world.leaseTouchedByOthers(session, claim.lease_token) ? 'maybe' : ofJob;
  const took = await ask(
    world,
    real,
    { session, waits },
    async (sql) =>
      await real.queue.report(
        claim,
        { ...outcome, ...(followUp !== undefined && { follow_ups: [{ type: followUp }] }) },
        sql,
      ),
  );
  if (took === undefined) return;
  world.touch(session, claim.lease_token);
  expect({ claim, job, took }).toEqual({ claim, job, took: current });
  if (job && current) world.put(session, reported(job, outcome, at));
  else world.touch(session, id);
  if (current && followUp !== undefined)
    await learnOfFollowUp(world, real, { session, parent: id, type: followUp });
}

/** There is one more that this job queued. One that an outcome queued which was refused is found by the comparison. */
async function learnOfFollowUp(
  world: World,
  real: Real,
  { session, parent, type }: { session: number; parent: string; type: string },
): Promise<void> {
  const rows = await sqlOf(real, session)<{ id: string }>`
    select id from ops.jobs where type = ${type} and created_by = ${`job:${parent}`}`;
  const { id } = only(rows.filter((row) => !world.queued.includes(row.id)));
  takeFollowUp(world, session, { id, type });
}

/** What takes effect must wait for who has changed the job. What has none may be refused at once. */
export const waitsOf = (world: World, session: number, id: string, takesEffect: boolean) => {
  if (takesEffect && world.changedByOthers(session, id)) return 'must';
  return world.touchedByOthers(session, id) ? 'maybe' : 'never';
};

/** `ops.update_job_status` in a transaction of its own, with the token of an attempt or for the current one. */
export const updateStatus = (
  number: number,
  status: 'completed' | 'failed' | 'cancelled',
  withToken: boolean,
): Command =>
  command(
    `update the status ${withToken ? 'with' : 'without'} the token of claim ${number}: ${status}`,
    async (world, { queue }) => {
      const claim = nth(world.claims, number);
      const job = claim && world.see(undefined, claim.job_id);
      if (!claim) return;
      const token = claim.lease_token;
      const current = withToken ? job?.lease?.token === token : job?.lease !== undefined && !isLost(job);
      const took = await queue.updateStatus(claim.job_id, status, withToken ? { token } : {});
      expect({ claim, job, took }).toEqual({ claim, job, took: current });
      if (job && took) world.put(undefined, reported(job, { status }, Date.now()));
    },
    (world) => {
      const claim = nth(world.claims, number);
      return (
        claim !== undefined &&
        !world.touchedByOthers(undefined, claim.job_id) &&
        !world.leaseTouchedByOthers(undefined, claim.lease_token)
      );
    },
  );
