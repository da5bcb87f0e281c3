import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connectQueue, newType, only } from './queue.ts';

const queue = await connectQueue();
const { admin, api, queueJob, queueJobs, job, claim, claimed, report } = queue;

const redrive = async (type: string, most = 1000, settings = {}): Promise<unknown> =>
  only(await api(settings)`select ops.redrive_jobs(${type}, ${most}) as jobs`)['jobs'];
const purge = async (type: string, most = 1000, settings = {}): Promise<unknown> =>
  only(await api(settings)`select ops.purge_jobs(${type}, ${most}) as jobs`)['jobs'];

/** Dead letters of a type of their own, in the order of their queueing. */
async function deadLetters(count: number): Promise<{ type: string; ids: string[] }> {
  const type = newType();
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const mine = await claimed({ type, max_attempts: 1 });
    await report(mine, { status: 'failed', error: 'broken' });
    ids.push(mine.job_id);
  }
  return { type, ids };
}

describe('[Q-5] ops.redrive_jobs', () => {
  it('queues the oldest dead letters again, with all their attempts, and says how many', async () => {
    const { type, ids } = await deadLetters(3);
    expect(await redrive(type, 2)).toBe(2);
    const again = await claim(type, { limit: 10 });
    expect(again.map(({ job_id }) => job_id).toSorted()).toEqual(ids.slice(0, 2).toSorted());
    expect(again).toMatchObject([{ attempts: 1 }, { attempts: 1 }]);
    expect(await job(ids[2] ?? '')).toMatchObject({ status: 'failed' });
    expect(await redrive(type)).toBe(1);
    expect(await redrive(type)).toBe(0);
  });

  it('leaves those of other organisations', async () => {
    const { type } = await deadLetters(1);
    expect(await redrive(type, 10, { organization_id: randomUUID() })).toBe(0);
    expect(await redrive(type, 10, { organization_id: '' })).toBe(0);
  });

  it('leaves one whose unique key another job has', async () => {
    const dead = await claimed({ unique_key: 'k' });
    await report(dead, { status: 'failed' });
    const holder = await queueJob({ type: dead.job_type, unique_key: 'k' });
    expect(await redrive(dead.job_type)).toBe(0);
    expect(await job(dead.job_id)).toMatchObject({ status: 'failed' });
    await api()`select ops.cancel_job(${holder})`;
    expect(await redrive(dead.job_type)).toBe(1);
  });

  it('queues each once, whoever asks at the same time', async () => {
    const { type } = await deadLetters(10);
    const counts = await Promise.all(Array.from({ length: 4 }, async () => Number(await redrive(type, 5))));
    expect(counts.reduce((sum, count) => sum + count, 0) + Number(await redrive(type))).toBe(10);
    expect(await claim(type, { limit: 100 })).toHaveLength(10);
  });
});

describe('[Q-5] ops.purge_jobs', () => {
  it('deletes the oldest dead letters with all that is known of them, and nothing else', async () => {
    const { type, ids } = await deadLetters(2);
    const waiting = await queueJob({ type });
    expect(await purge(type, 1)).toBe(1);
    const left = await api()<{ id: string }>`select id from ops.jobs where type = ${type} order by id`;
    expect(
      left.map(({ id }) => id),
      'in the order of their queueing',
    ).toEqual([ids[1], waiting]);
    const [figures] = await api()`select depth, failed from ops.queues where type = ${type}`;
    expect(figures).toEqual({ depth: 1, failed: 1 });
    expect(await purge(type, 10, { organization_id: randomUUID() })).toBe(0);
  });
});

it('[Q-3] [Q-4] a purged job that is reported once more takes nothing from the others of its claim', async () => {
  const type = newType();
  await queueJobs([{ type, max_attempts: 1 }, { type }]);
  const [purged, other] = await claim(type, { limit: 2 });
  if (!purged || !other) throw new Error('Two jobs were queued.');
  const failure = { status: 'failed', error: 'broken' };
  expect(await report(purged, failure)).toBe(true);
  expect(await purge(type)).toBe(1);
  expect(await report(purged, failure)).toBe(false);
  expect(await report(other, { status: 'completed' })).toBe(true);
  const left = await admin`select error, result from ops.outcome where job_id = ${purged.job_id}`;
  expect(left, 'of what is known of it').toEqual([{ error: null, result: null }]);
});

it.for([
  [null, 1],
  ['', 1],
  ['t', 0],
  ['t', 1001],
  ['t', null],
] as const)('[SEC-13] the type %j and the limit %j are refused with 22023', async ([type, most]) => {
  const statement = api();
  await expect(statement`select ops.redrive_jobs(${type}, ${most})`).rejects.toMatchObject({ code: '22023' });
  await expect(statement`select ops.purge_jobs(${type}, ${most})`).rejects.toMatchObject({ code: '22023' });
});
