import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { EXPIRED, begin, connectQueue, newType, only } from './queue.ts';

const queue = await connectQueue();
const { api, worker, queueJob, queueJobs, claim, claimed, report } = queue;

const READY = 'ops_job_ready';
const SENTINEL = 'sentinel';

const listener = new Client({ connectionString: queue.urls.worker });
const heard: string[] = [];
listener.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload ?? ''}`.trim()));
await listener.connect();
await listener.query(`listen ${READY}; listen ops_job_cancelled; listen ${SENTINEL}`);
afterAll(async () => await listener.end());

/** All that was heard of what was committed until now: notifications come in the order of the commits. */
async function heardSoFar(): Promise<string[]> {
  const id = randomUUID();
  await api()`select pg_notify(${SENTINEL}, ${id})`;
  await expect.poll(() => heard.at(-1), { interval: 5 }).toBe(`${SENTINEL} ${id}`);
  return heard.splice(0).slice(0, -1);
}

/** What a worker hears of an act. */
async function heardOf(act: () => Promise<unknown>): Promise<string[]> {
  await heardSoFar();
  await act();
  return await heardSoFar();
}

describe('a worker is woken', () => {
  it('once by a batch of jobs that can run now', async () => {
    const type = newType();
    expect(await heardOf(async () => await queueJobs([{ type }, { type }]))).toEqual([READY]);
  });

  it('not by a scheduled job, a job that was there already, or one that was rolled back', async () => {
    const type = newType();
    await queueJob({ type, unique_key: 'k' });
    expect(await heardOf(async () => await queueJob({ type, run_at: '2099-01-01Z' }))).toEqual([]);
    expect(await heardOf(async () => await queueJob({ type, unique_key: 'k' }))).toEqual([]);
    const session = await queue.session('api');
    const rolledBack = async () => {
      await begin(session);
      await queueJobs([{ type }], {}, session.sql);
      await session.sql`rollback`;
    };
    expect(await heardOf(rolledBack)).toEqual([]);
  });

  it('by a job that was given back, retried by a client, or lost by its worker', async () => {
    const [given, failed] = [await claimed(), await claimed()];
    expect(await heardOf(async () => await report(given, { status: 'released' }))).toEqual([READY]);
    await report(failed, { status: 'failed' });
    expect(await heardOf(async () => await api()`select ops.retry_job(${failed.job_id})`)).toEqual([READY]);
    await claimed({}, EXPIRED);
    expect(await heardOf(async () => await worker`select ops.reap_stuck_jobs()`)).toEqual([READY]);
  });

  it('by a queue that is resumed', async () => {
    expect(await heardOf(async () => await api()`select ops.resume_queue(${newType()})`)).toEqual([READY]);
  });
});

const heardOfCancelling = async (id: string): Promise<string[]> =>
  await heardOf(async () => await api()`select ops.cancel_job(${id})`);

describe('a worker hears of a cancelled job', () => {
  it('the lease token of the attempt that it ended, once', async () => {
    const mine = await claimed();
    expect(await heardOfCancelling(mine.job_id)).toEqual([`ops_job_cancelled ${mine.lease_token}`]);
    expect(await heardOfCancelling(mine.job_id)).toEqual([]);
  });

  it('nothing when nobody works on it', async () => {
    expect(await heardOfCancelling(await queueJob({ type: newType() }))).toEqual([]);
  });
});

it('claims and outcomes wake nobody', async () => {
  const type = newType();
  await queueJobs([{ type }, { type }, { type }]);
  const outcomes = [
    { status: 'completed' },
    { status: 'pending', backoff_seconds: 60 },
    { status: 'released', backoff_seconds: 60 },
  ];
  const work = async () => {
    for (const outcome of outcomes) await report(only(await claim(type)), outcome);
  };
  expect(await heardOf(work)).toEqual([]);
});
