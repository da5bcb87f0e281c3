import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  EXPIRED,
  type NewJob,
  ORGANIZATION,
  connectQueue,
  elements,
  newType,
  newWorker,
  only,
} from './queue.ts';
import type { Session } from './roles.ts';

const queue = await connectQueue();
const { api, worker, queueJob, claim, claimed, report } = queue;

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

/*
 * A transaction that notifies has a lock of the whole server until its commit is on the disk, so that commits which notify wait
 * for each other. Whoever is not heard of took none.
 */
it('an idle worker hears nothing of a report that queues a job', async () => {
  const held = await claimed();
  const followed = { status: 'completed', follow_ups: [{ type: TYPE }] };
  expect(await heardOf(async () => await report(held, followed))).toEqual([]);
});

it('an idle worker hears nothing of a transaction that has a job run again: given back, retried or redriven by a client, lost by its worker', async () => {
  await claim(TYPE, { limit: 1000 });
  const given = await claimed({ type: TYPE });
  const work = async () => {
    await report(given, { status: 'released' });
    const failed = only(await claim(TYPE));
    await report(failed, { status: 'failed' });
    await api()`select ops.retry_job(${failed.job_id})`;
    await report(only(await claim(TYPE)), { status: 'failed' });
    expect(await api()`select ops.redrive_jobs(${TYPE}, 10) as n`).toEqual([{ n: 1 }]);
    await claim(TYPE, EXPIRED);
    await worker`select ops.reap_stuck_jobs()`;
  };
  expect(await heardOf(work)).toEqual([]);
});

/** Of a client, rolled back at the latest when the test ends. */
async function transaction(): Promise<Session> {
  const session = await queue.session('api');
  onTestFinished(async () => void (await session.run('rollback')));
  await session.run('begin');
  return session;
}

const LATER = '2099-01-01T00:00:00Z';
type ToWake = { to_wake: boolean };
const queueOne = async (sql = api(), type = TYPE) =>
  await sql<ToWake>`select to_wake from ops.queue_one_job(${type}, '1', null, null, null, null, null)`;
const queueMany = async (jobs: readonly NewJob[], sql = api()) =>
  await sql<ToWake>`select to_wake from ops.queue_jobs(${elements(jobs)})`;

describe('an idle worker is woken by the commit that queues', () => {
  const queueing: Record<string, () => Promise<unknown>> = {
    queue_one_job: async () => await queueOne(),
    queue_jobs: async () => await queueMany([{ type: TYPE }, { type: TYPE, priority: 1 }]),
    queue_jobs_of_callers: async () =>
      await api()`select to_wake from ops.queue_jobs_of_callers(${elements([{ type: TYPE }])})`,
    queue_job: async () => await api()`select ops.queue_job(${TYPE}, '1')`,
    queue_job_idempotent: async () =>
      await api()`select ops.queue_job_idempotent(${TYPE}, '1', ${randomUUID()})`,
  };
  it.for(Object.entries(queueing))('by ops.%s, once', async ([, queueIt]) => {
    expect(await heardOf(queueIt)).toEqual([READY]);
  });

  it('and whoever queued is told that nothing is left to do', async () => {
    expect(await queueOne()).toEqual([{ to_wake: false }]);
    expect(await queueMany([{ type: TYPE }, { type: TYPE }])).toEqual([
      { to_wake: false },
      { to_wake: false },
    ]);
  });

  it('unless another transaction is about to: whoever queued wakes then, and nobody waits', async () => {
    const session = await transaction();
    expect(await queueOne(session.sql)).toEqual([{ to_wake: false }]);
    const heard = await heardOf(async () => {
      expect(await queueOne()).toEqual([{ to_wake: true }]);
      expect(await queueMany([{ type: TYPE }, { type: TYPE, run_at: LATER }])).toEqual([
        { to_wake: true },
        { to_wake: false },
      ]);
    });
    expect(heard).toEqual([]);
    expect(await heardOf(async () => await session.sql`commit`)).toEqual([READY]);
    expect(await queueOne()).toEqual([{ to_wake: false }]);
  });

  it('unless what queued is rolled back: then the commit of others does', async () => {
    const session = await transaction();
    await session.run('savepoint a');
    await queueOne(session.sql);
    await session.run('rollback to a');
    expect(await heardOf(async () => await queueOne())).toEqual([READY]);
    expect(await heardOf(async () => await session.run('commit'))).toEqual([]);
  });

  it('unless a worker of one of its types may become idle until then', async () => {
    const both = [{ type: TYPE }, { type: newType() }];
    expect(await queueMany(both)).toEqual([{ to_wake: true }, { to_wake: true }]);
    expect(await queueOne(api(), newType())).toEqual([{ to_wake: true }]);
  });

  it('not for what waits for its time, or was there already', async () => {
    const key = randomUUID();
    await api()`select ops.queue_job_idempotent(${TYPE}, '1', ${key})`;
    const session = await transaction();
    await session.run(`set local ops.organization_id = '${ORGANIZATION}'`);
    const heard = await heardOf(async () => {
      const waiting = [
        { type: TYPE, run_at: LATER },
        { type: TYPE, unique_key: key },
      ];
      expect(await queueMany(waiting, session.sql)).toEqual([{ to_wake: false }, { to_wake: false }]);
      expect(await queueMany([], session.sql)).toEqual([]);
    });
    expect(heard).toEqual([]);
    // It took no one's turn.
    expect(await queueOne()).toEqual([{ to_wake: false }]);
  });
});

const wake = async (types: readonly string[], sql = api()) => await sql`select ops.wake(${types})`;

describe('an idle worker is woken', () => {
  it('once by whoever says that there are jobs of its type, and not by jobs of others', async () => {
    expect(await heardOf(async () => await wake([newType(), TYPE, TYPE]))).toEqual([READY]);
    expect(await heardOf(async () => await wake([TYPE], worker))).toEqual([READY]);
    expect(await heardOf(async () => await wake([newType()]))).toEqual([]);
  });

  it('by a queue that is resumed, and by all queues that are unfrozen', async () => {
    expect(await heardOf(async () => await api()`select ops.resume_queue(${TYPE})`)).toEqual([READY]);
    await queue.owner`select ops.freeze_queues()`;
    expect(await heardOf(async () => await queue.owner`select ops.unfreeze_queues()`)).toEqual([READY]);
  });
});

it('a busy worker is not woken: it looks again by itself', async () => {
  await setIdle(false);
  expect(await heardOf(async () => await wake([TYPE]))).toEqual([]);
  await setIdle(true);
  expect(await heardOf(async () => await wake([TYPE]))).toEqual([READY]);
});

it('who wakes keeps no lock that an idle worker would wait for', async () => {
  await setIdle(false);
  const session = await queue.session('api');
  await session.sql`begin`;
  await wake([TYPE], session.sql);
  const held =
    await queue.admin`select from pg_locks where locktype = 'advisory' and classid = 5526 and pid = ${session.pid}`;
  expect(held).toEqual([]);
  await setIdle(true);
  await session.sql`rollback`;
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
  await queueMany([{ type: TYPE }, { type: TYPE }, { type: TYPE }]);
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
