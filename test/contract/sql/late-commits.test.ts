import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { begin, connectQueue, newType, only } from './queue.ts';

const queue = await connectQueue();
const { api, owner, queueJob, queueJobs, claim } = queue;

/** A sweep comes after a quarter of a second. */
const SOON = { timeout: 2000, interval: 50 };

describe('[Q-3] [Q-8] a job that is committed behind those that were claimed', () => {
  it('is found', async () => {
    const type = newType();
    await queueJob({ type });
    const late = await queue.session('api');
    await begin(late);
    await queueJobs([{ type }], {}, late.sql);
    for (let n = 0; n < 20; n += 1) {
      await queueJob({ type });
      await claim(type, { limit: 10 });
    }
    await late.sql`commit`;
    await expect.poll(async () => await claim(type), SOON).toHaveLength(1);
  });

  it('is found also while an old transaction holds a snapshot and an id', async () => {
    const type = newType();
    const old = await queue.session('admin');
    await old.run('begin isolation level repeatable read');
    await old.sql`select pg_current_xact_id()`;
    await queueJob({ type });
    await claim(type);
    const late = await queue.session('api');
    await begin(late);
    await queueJobs([{ type }, { type }], {}, late.sql);
    for (let n = 0; n < 40; n += 1) {
      await queueJob({ type });
      await claim(type, { limit: 10 });
    }
    await late.sql`commit`;
    await expect.poll(async () => await claim(type, { limit: 2 }), SOON).toHaveLength(2);
    await old.sql`rollback`;
    expect(await claim(type)).toEqual([]);
  });

  it('is found although its transaction is younger than one that queued after it', async () => {
    const type = newType();
    // Makes the lane, which they would otherwise make each.
    await queueJob({ type });
    await claim(type);
    const [first, second] = [await queue.session('api'), await queue.session('api')];
    await begin(first);
    await first.sql`select pg_current_xact_id()`;
    await begin(second);
    await queueJobs([{ type }], {}, second.sql);
    await queueJobs([{ type }], {}, first.sql);
    await first.sql`commit`;
    // Sweeps find nothing below what was claimed, and must not take that for settled.
    for (let n = 0; n < 5; n += 1) {
      await expect.poll(async () => await claim(type), SOON).toHaveLength(1);
      await sleep(300);
      await queueJob({ type });
    }
    await claim(type, { limit: 10 });
    await second.sql`commit`;
    await expect.poll(async () => await claim(type), SOON).toHaveLength(1);
  });

  it('is found when it was scheduled, and its time came before its commit', async () => {
    const type = newType();
    await queueJob({ type });
    await claim(type);
    const late = await queue.session('api');
    await begin(late);
    await queueJobs([{ type, run_at: new Date(Date.now() + 50).toISOString() }], {}, late.sql);
    for (let n = 0; n < 5; n += 1) {
      await queueJob({ type, run_at: new Date(Date.now() + 10).toISOString() });
      await expect.poll(async () => await claim(type), SOON).toHaveLength(1);
    }
    await late.sql`commit`;
    await expect.poll(async () => await claim(type), SOON).toHaveLength(1);
  });
});

/** As if the last sweep of the type had been this very moment and had taken no time, or an hour ago. */
const sweptNow = async (type: string, ago = '0'): Promise<unknown> =>
  await owner`update ops.claim set swept_at = clock_timestamp() - ${ago}::interval, sweep_took = '0'
               where lane_id in (select id from ops.lane where type = ${type})`;
const sweptLongAgo = async (type: string): Promise<unknown> => await sweptNow(type, '1 hour');

it('[Q-3] a job is found that was committed behind a batch whose jobs were all cancelled', async () => {
  const type = newType();
  const paused = { organization_id: randomUUID() };
  const many = Array.from({ length: 1000 }, () => ({ type }));
  for (let n = 0; n < 5; n += 1) await queueJobs(many, paused);
  await api(paused)`select ops.pause_queue(${type})`;
  const late = await queue.session('api');
  await begin(late);
  const [job] = await queueJobs([{ type }], {}, late.sql);
  await api()`select ops.cancel_job(${await queueJob({ type })})`;
  expect(await claim(type), 'after a sweep that takes long, as it moves what is paused aside').toEqual([]);
  await sweptLongAgo(type);
  await queueJob({ type });
  expect(await claim(type)).toHaveLength(1);
  await late.sql`commit`;
  await sweptLongAgo(type);
  await expect.poll(async () => await claim(type), SOON).toMatchObject([{ job_id: job?.id }]);
});

/** Jobs whose transaction commits after one that was queued later was claimed. */
async function lateJobs(type: string, count: number, runInMs?: number): Promise<string[]> {
  const other = async (): Promise<void> => {
    const run_at = new Date(Date.now() + 10).toISOString();
    await queueJob(runInMs === undefined ? { type } : { type, run_at });
    await expect.poll(async () => await claim(type), SOON).toHaveLength(1);
  };
  await other();
  const late = await queue.session('api');
  await begin(late);
  const job = {
    type,
    ...(runInMs !== undefined && { run_at: new Date(Date.now() + runInMs).toISOString() }),
  };
  const ids = await queueJobs(
    Array.from({ length: count }, () => job),
    {},
    late.sql,
  );
  await sleep(runInMs === undefined ? 0 : runInMs + 300);
  await other();
  await late.sql`commit`;
  return ids.map(({ id }) => id);
}

describe('[Q-5] [Q-8] what is committed behind those that were claimed', () => {
  it('is found by the first claim that finds nothing else: it was woken for that', async () => {
    const type = newType();
    const [late] = await lateJobs(type, 1);
    await sweptNow(type);
    expect(await claim(type)).toMatchObject([{ job_id: late }]);
  });

  it.for([
    { jobs: 'ready', runInMs: undefined },
    { jobs: 'due', runInMs: 100 },
  ])('does not wait for a sweep a claim when it is many $jobs jobs', async ({ runInMs }) => {
    const type = newType();
    const late = await lateJobs(type, 100, runInMs);
    await queueJobs(Array.from({ length: 300 }, () => ({ type })));
    await sleep(300);
    const claims: string[] = [];
    for (let n = 0; n < 25; n += 1)
      claims.push(...(await claim(type, { limit: 10 })).map(({ job_id }) => job_id));
    expect(late.filter((id) => !claims.includes(id))).toEqual([]);
  });

  it('is what was due before the clock went back', async () => {
    const type = newType();
    const late = await lateJobs(type, 30, 100);
    await owner`update ops.claim set due_hint = now() + interval '1 hour'
                 where lane_id in (select id from ops.lane where type = ${type})`;
    await sleep(300);
    const claims: string[] = [];
    for (let n = 0; n < 30; n += 1) claims.push(...(await claim(type)).map(({ job_id }) => job_id));
    expect(claims.toSorted()).toEqual(late.toSorted());
  });
});

const dueAMinuteAgo = async (id: string, sql = owner): Promise<unknown> =>
  await sql`update ops.scheduled set run_at = now() - interval '1 minute' where job_id = ${id}`;
const delayed = (type: string) => ({ type, run_at: '2099-01-01Z' });

/** As if the last sweep that moved the floor had been two minutes ago, and so had the claims, if they were then, too. */
const sweptTwoMinutesAgo = async (type: string, claimed: 'now' | 'then'): Promise<unknown> =>
  await owner`update ops.claim set due_floor = due_floor - interval '2 minutes', claimed_at = claimed_at - ${claimed === 'now' ? '0' : '2 minutes'}::interval
               where lane_id in (select id from ops.lane where type = ${type})`;

/** Claims some jobs of the type, each with a sweep that may move the floor. */
async function claimOthers(type: string): Promise<void> {
  for (let n = 0; n < 3; n += 1) {
    await queueJob({ type });
    expect(await claim(type, { limit: 2 })).toHaveLength(1);
    await sweptLongAgo(type);
  }
}

describe('[Q-3] [Q-8] the floor of what is scheduled does not pass', () => {
  it('a job that was due before its transaction ended', async () => {
    const type = newType();
    await claimOthers(type);
    await sweptTwoMinutesAgo(type, 'then');
    const late = await queue.session('owner');
    await begin(late);
    const job = only(await queueJobs([delayed(type)], {}, late.sql));
    await dueAMinuteAgo(job.id, late.sql);
    await claimOthers(type);
    await late.sql`commit`;
    expect(await claim(type)).toMatchObject([{ job_id: job.id }]);
  });

  it('a job that a claim took which is rolled back', async () => {
    const type = newType();
    await claimOthers(type);
    await sweptTwoMinutesAgo(type, 'now');
    const id = await queueJob(delayed(type));
    await dueAMinuteAgo(id);
    const other = await queue.session('worker');
    await begin(other);
    expect(await claim(type, {}, other.sql)).toMatchObject([{ job_id: id }]);
    await claimOthers(type);
    await other.sql`rollback`;
    expect(await claim(type)).toMatchObject([{ job_id: id }]);
  });

  it('for ever a job that a clock which went back put before it', async () => {
    const type = newType();
    await claimOthers(type);
    const id = await queueJob(delayed(type));
    await dueAMinuteAgo(id);
    await owner`update ops.claim set due_floor = now(), due_hint = now()
                 where lane_id in (select id from ops.lane where type = ${type})`;
    // Each sweeps, and one sweep in 256 starts at the beginning.
    const found = async (): Promise<boolean> => {
      await sweptLongAgo(type);
      return (await claim(type)).some(({ job_id }) => job_id === id);
    };
    let sweeps = 1;
    while (sweeps < 10_000 && !(await found())) sweeps += 1;
    expect(sweeps).toBeLessThan(10_000);
  });
});

it('two transactions that use a new type and priority first do not wait for each other', async () => {
  const type = newType();
  const [one, two] = [await queue.session('api'), await queue.session('api')];
  await begin(one);
  await begin(two);
  await queueJobs([{ type, priority: 7 }], {}, one.sql);
  await queueJobs([{ type, priority: 7 }], {}, two.sql);
  await one.sql`commit`;
  await two.sql`commit`;
  await queueJob({ type, priority: 7 });
  expect(await claim(type, { limit: 10 })).toHaveLength(3);
});
