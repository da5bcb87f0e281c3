import { expect } from 'vitest';
import type { Sql } from '../roles.ts';
import { claimAll } from './claim.ts';
import { resume, retryJob } from './client.ts';
import { unfreeze } from './operator.ts';
import { type Job, isUnfinished } from './job.ts';
import { reap } from './liveness.ts';
import { type Real, learnOfLost, sqlOf } from './real.ts';
import { reportOf } from './report.ts';
import { SESSIONS, type World } from './world.ts';

const COMPLETED = { status: 'completed' };
const MANY = 100;
const sessions = Array.from({ length: SESSIONS }, (_, session) => session);

/** Everybody sees what the model says, also within the transactions that are open. */
export async function compare(world: World, real: Real): Promise<void> {
  await compareSeen(world, real.queue.api());
  for (const session of sessions) {
    if (world.isOpen(session)) await compareSeen(world, sqlOf(real, session), session);
  }
}

async function compareSeen(world: World, sql: Sql, session?: number): Promise<void> {
  await learnOfLost(world, sql, session);
  const rows = await sql`
    select id, status, attempts, priority, max_attempts, unique_key from ops.jobs
     where type = any (${world.types}) order by id`;
  const expected = world.seen(session).map(({ id, status, attempts, priority, maxAttempts, key }) => ({
    id,
    status,
    attempts,
    priority,
    max_attempts: maxAttempts,
    unique_key: key ?? null,
  }));
  expect(rows).toEqual(expected.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
}

/** Brings every job that was committed to its end. Returns those that have none. */
export async function drain(world: World, real: Real): Promise<Job[]> {
  for (const session of sessions) {
    await sqlOf(real, session)`rollback`;
    world.rollback(session);
  }
  await unfreeze.run(world, real);
  for (const type of world.types.keys()) await resume(type).run(world, real);
  await reap(0, 30).run(world, real);
  for (const { id, lease } of world.seen()) {
    const claim = world.claims.find((one) => one.job_id === id && one.lease_token === lease?.token);
    if (claim) await reportOf(world, real, { session: 0, claim, outcome: COMPLETED });
  }
  for (const { id, runAt, status } of world.seen()) {
    if (status === 'pending' && runAt > 0) await retryJob(world, real, 0, id);
  }
  for (;;) {
    const claims = await claimAll(world, real, {
      session: 0,
      worker: 0,
      types: [...world.types.keys()],
      limit: MANY,
      minutes: 30,
    });
    for (const claim of claims) await reportOf(world, real, { session: 0, claim, outcome: COMPLETED });
    if (claims.length < MANY) break;
  }
  return world.seen().filter(isUnfinished);
}
