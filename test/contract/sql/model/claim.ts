import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Claim } from '../queue.ts';
import { type Command, command } from './command.ts';
import { type ModelWorker, claimed, isClaimable } from './job.ts';
import { type Real, learnOfLost, sqlOf } from './real.ts';
import type { World } from './world.ts';

/** A claim may overlook what was committed just now, but not for longer. */
const PATIENCE_MS = 2000;
/** From when on it overlooks nothing, and what is most urgent comes first. */
const SETTLED_MS = 600;

export interface ClaimOf {
  readonly session: number;
  readonly worker: number;
  readonly types: readonly number[];
  readonly limit: number;
  readonly minutes: 0 | 30;
}

export const claim = (of: ClaimOf): Command =>
  command(`claim ${JSON.stringify(of)}`, async (world, real) => {
    await claimAll(world, real, of);
  });

/** Claims until the limit is reached or nothing is left. What waits in a paused queue it may move aside. */
export async function claimAll(
  world: World,
  real: Real,
  { session, worker: number, types, limit, minutes }: ClaimOf,
): Promise<Claim[]> {
  const worker = world.workers[number];
  if (!worker) throw new Error(`There is no worker ${number}.`);
  const asked = types.map((type) => world.types[type] ?? '');
  const claims: Claim[] = [];
  for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(20)) {
    const toBeFound = world.toBeFound(session, asked, Date.now());
    const rows = await real.queue.claim(
      asked,
      { limit: limit - claims.length, worker: worker.id, minutes },
      sqlOf(real, session),
    );
    expect(rows.length).toBeLessThanOrEqual(limit - claims.length);
    const priorities = rows.map(({ priority }) => priority);
    expect(priorities, 'in the order of priority').toEqual(priorities.toSorted((a, b) => b - a));
    for (const row of rows) accept(world, session, row, { types: asked, worker, expired: minutes === 0 });
    claims.push(...rows);
    for (const job of world.seen(session)) {
      if (asked.includes(job.type) && world.paused.has(job.type)) world.touch(session, job.id);
    }

    const ids = new Set(rows.map(({ job_id }) => job_id));
    const left = toBeFound.filter(({ id }) => !ids.has(id));
    const passedBy = left.filter(
      ({ id, priority }) => world.settled.has(id) && priority > Math.min(...priorities),
    );
    expect(rows.length > 0 ? passedBy : [], 'passed by although more urgent').toEqual([]);
    if (claims.length === limit || left.length === 0) break;
    expect(Date.now() < deadline ? [] : left, 'never found').toEqual([]);
  }
  await learnOfLost(world, sqlOf(real, session), session);
  return claims;
}

/** Takes a job that a claim returned for claimed, if the claim might return it. */
function accept(
  world: World,
  session: number,
  row: Claim,
  { types, worker, expired }: { types: readonly string[]; worker: ModelWorker; expired: boolean },
): void {
  const { job_id: id, lease_token: token } = row;
  const job = world.see(session, id);
  if (!job) throw new Error(`${id} was claimed although it was never committed.`);
  expect({ row, job, claimable: isClaimable(job, Date.now()) }).toMatchObject({
    row: {
      job_type: job.type,
      attempts: job.attempts + 1,
      max_attempts: job.maxAttempts,
      priority: job.priority,
    },
    claimable: true,
  });
  expect(row.run_at.getTime(), 'run_at').toBeLessThanOrEqual(Date.now());
  expect(types).toContain(job.type);
  expect([...world.paused], 'paused').not.toContain(job.type);
  expect(world.frozen, 'frozen').toBe(false);
  expect(world.changedByOthers(session, id), `${id} is in the hands of another transaction`).toBe(false);
  const earlier = world.claims.filter((claim) => claim.job_id === id && claim.lease_token === token);
  expect(earlier, 'attempts with the same token').toEqual([]);
  world.claims.push(row);
  world.put(session, claimed(job, { token, worker, expired }));
}

/** A claim that may overlook no job, as time has passed. Only where it decides which of several jobs is claimed. */
export const settledClaim = (of: ClaimOf): Command =>
  command(
    `claim settled ${JSON.stringify(of)}`,
    async (world, real) => {
      const jobs = world.toBeFound(undefined, world.types, Date.now());
      await sleep(SETTLED_MS);
      for (const { id } of jobs) world.settled.add(id);
      await claimAll(world, real, of);
    },
    (world) => {
      const asked = of.types.map((type) => world.types[type] ?? '');
      const jobs = world.toBeFound(of.session, asked, Date.now());
      return jobs.length > of.limit && new Set(jobs.map(({ priority }) => priority)).size > 1;
    },
  );
