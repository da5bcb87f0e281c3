import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { EXPIRED, ORGANIZATION, begin, connectQueue, newType, newWorker, only } from './queue.ts';

const queue = await connectQueue();
const { api, worker, queueJob, queueJobs, claim, claimed, report } = queue;

const TYPE = newType();
const READY = `ops_job_ready ${TYPE}`;
const SENTINEL = 'sentinel';

const listener = new Client({ connectionString: queue.urls.worker });
const heard: string[] = [];
listener.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload ?? ''}`.trim()));
await listener.connect();
await listener.query(`listen ops_job_ready; listen ops_job_cancelled; listen ops_queue_paused;
                      listen ops_worker_command; listen ${SENTINEL}`);
await setIdle(true);
afterAll(async () => await listener.end());

/** The listener is a worker of the type that is idle, or busy. */
async function setIdle(idle: boolean): Promise<void> {
  await listener.query('select ops.set_idle($1, $2)', [[TYPE], idle]);
}

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

describe('an idle worker is woken', () => {
  it('once by a batch of jobs that can run now', async () => {
    expect(await heardOf(async () => await queueJobs([{ type: TYPE }, { type: TYPE }]))).toEqual([READY]);
  });

  it('by one job, whichever function queues it', async () => {
    const one = async () => await api()`select ops.queue_one_job(${TYPE}, '1', null, null, null, null, null)`;
    expect(await heardOf(one)).toEqual([READY]);
    expect(await heardOf(async () => await api()`select ops.queue_job(${TYPE}, '1')`)).toEqual([READY]);
    const elements = JSON.stringify([{ type: TYPE, payload: 1 }]);
    const ofCallers = async () => await api()`select ops.queue_jobs_of_callers(${elements})`;
    expect(await heardOf(ofCallers)).toEqual([READY]);
  });

  it('not by a job of another type, a scheduled one, one that was there already, or one that was rolled back', async () => {
    await queueJob({ type: TYPE, unique_key: 'k' });
    expect(await heardOf(async () => await queueJob({ type: newType() }))).toEqual([]);
    expect(await heardOf(async () => await queueJob({ type: TYPE, run_at: '2099-01-01Z' }))).toEqual([]);
    expect(await heardOf(async () => await queueJob({ type: TYPE, unique_key: 'k' }))).toEqual([]);
    const session = await queue.session('api');
    const rolledBack = async () => {
      await begin(session);
      await queueJobs([{ type: TYPE }], {}, session.sql);
      await session.sql`rollback`;
    };
    expect(await heardOf(rolledBack)).toEqual([]);
  });

  it('by a job that was given back, retried by a client, or lost by its worker', async () => {
    await claim(TYPE, { limit: 1000 });
    const [given, failed] = [await claimed({ type: TYPE }), await claimed({ type: TYPE })];
    expect(await heardOf(async () => await report(given, { status: 'released' }))).toEqual([READY]);
    await report(failed, { status: 'failed' });
    expect(await heardOf(async () => await api()`select ops.retry_job(${failed.job_id})`)).toEqual([READY]);
    await claim(TYPE, { limit: 1000 });
    await claimed({ type: TYPE }, EXPIRED);
    expect(await heardOf(async () => await worker`select ops.reap_stuck_jobs()`)).toEqual([READY]);
  });

  it('by a queue that is resumed, and by all queues that are unfrozen', async () => {
    expect(await heardOf(async () => await api()`select ops.resume_queue(${TYPE})`)).toEqual([READY]);
    await queue.owner`select ops.freeze_queues()`;
    expect(await heardOf(async () => await queue.owner`select ops.unfreeze_queues()`)).toEqual([READY]);
  });
});

it('a busy worker is not woken: it looks again by itself', async () => {
  await setIdle(false);
  expect(await heardOf(async () => await queueJob({ type: TYPE }))).toEqual([]);
  await setIdle(true);
  expect(await heardOf(async () => await queueJob({ type: TYPE }))).toEqual([READY]);
});

it('workers hear of a pause, a freeze and a command', async () => {
  expect(await heardOf(async () => await api()`select ops.pause_queue(${TYPE})`)).toEqual([
    `ops_queue_paused ${TYPE} ${ORGANIZATION}`,
  ]);
  await api()`select ops.resume_queue(${TYPE})`;
  expect(await heardOf(async () => await queue.owner`select ops.freeze_queues()`)).toEqual([
    'ops_queue_paused',
  ]);
  await queue.owner`select ops.unfreeze_queues()`;
  const id = newWorker();
  await queue.beat(id, 60);
  expect(await heardOf(async () => await queue.owner`select ops.command_worker(${id}, 'drain')`)).toEqual([
    `ops_worker_command ${id} drain`,
  ]);
});

const heardOfCancelling = async (id: string): Promise<string[]> =>
  await heardOf(async () => await api()`select ops.cancel_job(${id})`);

describe('a worker hears of a cancelled job', () => {
  it('the lease token of the attempt that it ended, once', async () => {
    const mine = await claimed();
    expect(await heardOfCancelling(mine.job_id)).toEqual([
      `ops_job_cancelled ${mine.job_id} ${mine.lease_token}`,
    ]);
    expect(await heardOfCancelling(mine.job_id)).toEqual([]);
  });

  it('nothing when nobody works on it', async () => {
    expect(await heardOfCancelling(await queueJob({ type: newType() }))).toEqual([]);
  });
});

it('claims and outcomes wake nobody', async () => {
  await claim(TYPE, { limit: 1000 });
  await queueJobs([{ type: TYPE }, { type: TYPE }, { type: TYPE }]);
  const outcomes = [
    { status: 'completed' },
    { status: 'pending', backoff_seconds: 60 },
    { status: 'released', backoff_seconds: 60 },
  ];
  const work = async () => {
    for (const outcome of outcomes) await report(only(await claim(TYPE)), outcome);
  };
  expect(await heardOf(work)).toEqual([]);
});
