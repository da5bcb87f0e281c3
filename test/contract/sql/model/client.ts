import { expect } from 'vitest';
import type { JobRow } from '../queue.ts';
import { type Command, command, nth } from './command.ts';
import { type Job, cancelled, isUnfinished, retried } from './job.ts';
import { type Real, ask } from './real.ts';
import { waitsOf } from './report.ts';
import type { Waits, World } from './world.ts';

const UNIQUE_VIOLATION = '23505';

export const cancel = (session: number, number: number): Command =>
  command(`cancel ${session} job ${number}`, async (world, real) => {
    const id = nth(world.queued, number);
    if (id === undefined) return;
    const job = world.see(session, id);
    const waits = waitsOf(world, session, id, job !== undefined && isUnfinished(job));
    const rows = await ask(
      world,
      real,
      { session, waits },
      async (sql) => await sql<JobRow>`select * from ops.cancel_job(${id})`,
    );
    if (rows) take(world, session, { id, rows, expected: job && cancelled(job) });
  });

export const retry = (session: number, number: number): Command =>
  command(`retry ${session} job ${number}`, async (world, real) => {
    const id = nth(world.queued, number);
    if (id !== undefined) await retryJob(world, real, session, id);
  });

/** A retry of a job that has failed or was cancelled. */
export const redrive = (session: number, number: number): Command =>
  command(
    `redrive ${session} job ${number}`,
    async (world, real) => {
      const job = nth(ended(world, session), number);
      if (job) await retryJob(world, real, session, job.id);
    },
    (world) => ended(world, session).length > 0,
  );

const ended = (world: World, session: number): Job[] =>
  world.seen(session).filter(({ status }) => status === 'failed' || status === 'cancelled');

export async function retryJob(world: World, real: Real, session: number, id: string): Promise<void> {
  const job = world.see(session, id);
  const waits = retryWaits(world, session, id, job);
  const conflict = job && wantsKey(job) && world.holder(session, job.type, job.key);
  const rows = await ask(
    world,
    real,
    { session, waits, refusal: conflict ? UNIQUE_VIOLATION : undefined },
    async (sql) => await sql<JobRow>`select * from ops.retry_job(${id})`,
  );
  if (rows) take(world, session, { id, rows, expected: job && retried(job) });
}

/** Whether it is finished and needs its key again if it is retried. */
export const wantsKey = (job: Job): job is Job & { key: string } =>
  job.key !== undefined && (job.status === 'failed' || job.status === 'cancelled');

function retryWaits(world: World, session: number, id: string, job: Job | undefined): Waits {
  // A job that waits already is not touched.
  const takesEffect = job !== undefined && job.status !== 'pending' && retried(job) !== job;
  const waits = waitsOf(world, session, id, takesEffect);
  if (waits === 'must' || !job || !wantsKey(job)) return waits;
  const forKey = world.keyWaits(session, job.type, job.key);
  // Who finds the key taken may be refused at once, although its holder is just ending.
  if (forKey === 'must' && world.holder(session, job.type, job.key)) return 'maybe';
  return forKey === 'never' ? waits : forKey;
}

function take(
  world: World,
  session: number,
  { id, rows, expected }: { id: string; rows: readonly JobRow[]; expected: Job | undefined },
): void {
  expect(rows.map(({ id, status, attempts }) => ({ id, status, attempts }))).toEqual(
    expected ? [{ id, status: expected.status, attempts: expected.attempts }] : [],
  );
  if (expected && expected !== world.see(session, id)) world.put(session, expected);
  else world.touch(session, id);
}

export const pause = (number: number): Command =>
  command(`pause ${number}`, async (world, { queue }) => {
    const type = world.types[number] ?? '';
    await queue.api()`select ops.pause_queue(${type})`;
    world.paused.add(type);
    for (const job of world.seen()) {
      if (job.type === type) world.settled.delete(job.id);
    }
  });

export const resume = (number: number): Command =>
  command(`resume ${number}`, async (world, { queue }) => {
    const type = world.types[number] ?? '';
    await queue.api()`select ops.resume_queue(${type})`;
    world.paused.delete(type);
  });
