import { pagesRead } from '#test/support/pages-read.ts';
import { expect, it } from 'vitest';
import { type Claim, connectQueue, newType, only } from './queue.ts';

/*
 * The first implementation of these functions, in another service, had the defects (a) to (h). Each is pinned here as
 * absent, through the canonical functions alone: they are all that a worker in another language needs.
 */
const queue = await connectQueue();
const { api, worker, job } = queue;

const queueJob = async (type: string, priority = 0, runAt = 'now'): Promise<string> =>
  only(await api()<{ id: string }>`select ops.queue_job(${type}, '{}', ${priority}, ${runAt}) as id`).id;
const claim = async (type: string, minutes = 30) =>
  await worker<Claim>`select * from ops.claim_pending_job(${[type]}, ${minutes}, 'w')`;
const update = async (id: string, status: string, backoff: number | null = null) =>
  only(
    await worker<{ done: boolean }>`select ops.update_job_status(${id}, ${status}, null, ${backoff}) as done`,
  ).done;

it('(a) a claim honours the priority', async () => {
  const type = newType();
  await queueJob(type);
  const urgent = await queueJob(type, 1);
  expect(await claim(type)).toMatchObject([{ job_id: urgent }]);
});

it('(b) a delayed job does not run at once', async () => {
  const type = newType();
  await queueJob(type, 100, '2099-01-01Z');
  expect(await claim(type)).toEqual([]);
});

it('(c) a retry waits for its back-off, not for the lock time-out', async () => {
  const type = newType();
  const id = await queueJob(type);
  await claim(type, 1440);
  expect(await update(id, 'pending', 0)).toBe(true);
  expect(await claim(type)).toMatchObject([{ job_id: id, attempts: 2 }]);
});

it('(d) a status is accepted only from who holds the job', async () => {
  const type = newType();
  const id = await queueJob(type);
  expect(await update(id, 'completed'), 'nobody claimed it').toBe(false);
  await claim(type, 0);
  expect(await update(id, 'completed'), 'the lease has expired').toBe(false);
  await claim(type);
  expect(await update(id, 'completed')).toBe(true);
  expect(await update(id, 'pending', 0), 'it is finished').toBe(false);
  expect(await job(id)).toMatchObject({ status: 'completed' });
});

it('(e) the job of a dead worker comes back without a reaper', async () => {
  const type = newType();
  const id = await queueJob(type);
  await claim(type, 0);
  expect(await claim(type)).toMatchObject([{ job_id: id, attempts: 2 }]);
});

it('(f) the reaper can be called without arguments, sends jobs back, and fails none for its age', async () => {
  const [lost, waiting] = [newType(), newType()];
  await queueJob(lost);
  await queueJob(waiting, 0, '2020-01-01Z');
  await claim(lost, 0);
  await worker`select ops.reap_stuck_jobs()`;
  expect(await claim(lost)).toMatchObject([{ attempts: 2 }]);
  expect(await claim(waiting)).toMatchObject([{ attempts: 1 }]);
});

it('(g) a claim reads no more from a long queue than from a short one, without statistics', async () => {
  const LENGTH = 3000;
  const { run } = await queue.session('worker');
  const buffersOfClaim = async (type: string): Promise<number> =>
    (await pagesRead(run, `select * from ops.claim_pending_job('{${type}}', 30, 'w')`)).pages;
  const [short, long] = [newType(), newType()];
  await queueJob(short, 100);
  const few = await buffersOfClaim(short);
  await queue.queueJobs(Array.from({ length: LENGTH }, () => ({ type: long, priority: 99 })));
  expect(await buffersOfClaim(long)).toBeLessThan(few + LENGTH / 10);
});

it('(h) the answer says whether a status took effect', async () => {
  const type = newType();
  const id = await queueJob(type);
  await claim(type);
  expect([await update(id, 'completed'), await update(id, 'completed')]).toEqual([true, false]);
});
