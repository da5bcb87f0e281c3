import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ORGANIZATION, begin, connectQueue, newType, newWorker, only } from './queue.ts';

const queue = await connectQueue();
const { api, owner, worker, queueJob, claim, claimed, report } = queue;

const DAYS_AGO = 10;

/** A job that was queued ten days ago. */
async function oldJob(type: string): Promise<string> {
  const { lane_id } = only(await owner<{ lane_id: number }>`select ops.lane_of(${type}, 0, null) as lane_id`);
  const { id } = only(
    await owner<{ id: string }>`
      insert into ops.job (id, created_at, run_at, lane_id, max_attempts, organization_id, trace_id, payload)
      select overlay(ops.uuid_at(at)::text placing right(${randomUUID()}, 12) from 25)::uuid, at, at, ${lane_id}, 5, ${ORGANIZATION},
             gen_random_uuid(), '1' from (select now() - ${DAYS_AGO} * interval '1 day' as at) then_
      returning id`,
  );
  return id;
}

/** Dead letters that were queued ten days ago, as many as no step moves. */
async function oldDeadLetters(type: string, count: number): Promise<unknown> {
  return await owner`
    with old as (
      insert into ops.job (id, created_at, run_at, lane_id, max_attempts, organization_id, trace_id, payload)
      select overlay(ops.uuid_at(at)::text placing right(gen_random_uuid()::text, 12) from 25)::uuid, at, at,
             ops.lane_of(${type}, 0, null), 5, ${ORGANIZATION}, gen_random_uuid(), '1'
        from generate_series(1, ${count}::integer), (select now() - ${DAYS_AGO} * interval '1 day' as at) then_
      returning id, lane_id, created_at),
    died as (
      insert into ops.outcome (job_id, run, attempt, status, at) select id, 1, 5, 'failed', created_at from old)
    insert into ops.dead_letter select id, lane_id, ${ORGANIZATION}, created_at from old`;
}

const finish = async (id: string, daysAgo: number): Promise<unknown> =>
  await owner`insert into ops.outcome (job_id, run, attempt, status, at)
              values (${id}, 1, 1, 'completed', now() - ${daysAgo} * interval '1 day')`;
const wait = async (id: string, type: string): Promise<unknown> =>
  await owner`insert into ops.scheduled (job_id, run_at, lane_id, run, attempt, keyed, organization_id)
              values (${id}, now(), ops.lane_of(${type}, 0, null), 1, 1, false, ${ORGANIZATION})`;
/** What the steps did that were to be done. */
async function maintain(): Promise<string[]> {
  const steps: string[] = [];
  for (;;) {
    const { step } = only(await worker<{ step: string | null }>`select ops.maintain() as step`);
    if (step === null) return steps;
    steps.push(step);
  }
}
const isThere = async (id: string): Promise<boolean> =>
  (await api()`select from ops.jobs where id = ${id}`).length === 1;

it('[DATA-7] drops the finished jobs of a day that is seven days over, and keeps what is unfinished or finished since', async () => {
  const { job_type: type } = await claimed();
  const day = only(
    await owner<{
      day: string;
    }>`select to_char((now() at time zone 'UTC')::date - ${DAYS_AGO}::integer, 'YYYYMMDD') as day`,
  ).day;
  await owner`select ops.make_day(to_date(${day}, 'YYYYMMDD'))`;
  const [old, fresh, unfinished] = [await oldJob(type), await oldJob(type), await oldJob(type)];
  await finish(old, DAYS_AGO);
  await finish(fresh, 1);
  await wait(unfinished, type);

  expect(await maintain()).toEqual([`job_${day} dropped`]);
  expect([await isThere(old), await isThere(fresh), await isThere(unfinished)]).toEqual([false, true, true]);
  const mine = only(await claim(type, { worker: newWorker() }));
  expect(mine.job_id).toBe(unfinished);
  expect(await report(mine, { status: 'completed' })).toBe(true);
  expect(await maintain(), 'for the second time').toEqual([]);

  await owner`update ops.outcome set at = at - interval '8 days' where job_id in (${fresh}, ${unfinished})`;
  await maintain();
  expect([await isThere(fresh), await isThere(unfinished)]).toEqual([false, false]);
});

it('steps back from who reads, and succeeds afterwards', async () => {
  const day = only(
    await owner<{ day: string }>`select to_char((now() at time zone 'UTC')::date - 20, 'YYYYMMDD') as day`,
  ).day;
  await owner`select ops.make_day(to_date(${day}, 'YYYYMMDD'))`;
  const reader = await queue.session('admin');
  await reader.run('begin');
  await reader.run('select count(*) from ops.job');
  expect(await maintain()).toEqual([]);
  await reader.run('rollback');
  expect(await maintain()).toEqual([`job_${day} dropped`]);
});

it('makes the coming days, also when jobs came before their day was made', async () => {
  const { day } = only(
    await owner<{ day: string }>`select to_char((now() at time zone 'UTC')::date, 'YYYYMMDD') as day`,
  );
  const before = await queueJob({ type: newType() });
  await owner`select ops.drop_day(to_date(${day}, 'YYYYMMDD'), '-infinity', 10000)`;
  const without = await queueJob({ type: newType() });
  await maintain();
  expect([await isThere(before), await isThere(without)]).toEqual([true, true]);
  const rows = await owner`select from ops.job_rest where id in (${before}, ${without})`;
  expect(rows).toEqual([]);
});

it('[API-5] deletes idempotency keys whose 24 hours are over, a thousand a step', async () => {
  await owner`insert into ops.idempotency_key (scope, fingerprint, expires_at, status, body)
              select sha256(n::text::bytea), '', now() - n * interval '1 second', 200, 'old' from generate_series(1, 1500) n`;
  await owner`insert into ops.idempotency_key (scope, fingerprint, status, body) values ('fresh', '', 200, 'fresh')`;
  expect(await maintain()).toEqual(['1000 idempotency keys deleted', '500 idempotency keys deleted']);
  expect(await owner`select body from ops.idempotency_key`).toEqual([{ body: 'fresh' }]);
});

it('[SEC-13] refuses to keep for less than an hour with 22023', async () => {
  await expect(worker`select ops.maintain('59 minutes')`).rejects.toMatchObject({ code: '22023' });
});

it('[DATA-7] keeps a job that was redriven, and failed, while its day was looked through', async () => {
  const { job_type: type } = await claimed();
  const day = only(
    await owner<{
      day: string;
    }>`select ((now() at time zone 'UTC')::date - ${DAYS_AGO}::integer)::text as day`,
  ).day;
  await owner`select ops.make_day(${day}::date)`;
  const dead = await oldJob(type);
  await finish(dead, DAYS_AGO);
  await owner`insert into ops.dead_letter values (${dead}, ops.lane_of(${type}, 0, null), ${ORGANIZATION}, now())`;
  await owner`select ops.drop_day(${day}::date, now() - interval '7 days', 10)`;
  expect(await isThere(dead)).toBe(true);
});

describe('[DATA-7] a day of which more is unfinished than a step may move', () => {
  const MOST = 5000;

  it('loses its finished jobs, whoever reads, and goes when few enough are left', async () => {
    const { job_type: type } = await claimed();
    const day = only(
      await owner<{
        day: string;
      }>`select to_char((now() at time zone 'UTC')::date - ${DAYS_AGO}::integer, 'YYYYMMDD') as day`,
    ).day;
    await owner`select ops.make_day(to_date(${day}, 'YYYYMMDD'))`;
    await oldDeadLetters(type, MOST + 1);
    const old = [await oldJob(type), await oldJob(type), await oldJob(type)];
    const fresh = await oldJob(type);
    for (const id of old) await finish(id, DAYS_AGO);
    await finish(fresh, 1);

    const reader = await queue.session('admin');
    await reader.run('begin');
    await reader.run('select count(*) from ops.job');
    expect(await maintain()).toEqual([expect.stringMatching(`^\\d old outcomes of job_${day} deleted$`)]);
    await reader.run('rollback');
    expect(await Promise.all(old.map(isThere))).toEqual([false, false, false]);
    expect(await isThere(fresh)).toBe(true);
    expect(await maintain(), 'with nothing left to delete').toEqual([]);

    await api()`select ops.purge_jobs(${type}, 2)`;
    expect(await maintain()).toEqual([`job_${day} dropped`]);
    expect(await owner`select count(*)::integer as n from ops.job_rest`).toEqual([{ n: MOST }]);
    expect(await isThere(fresh)).toBe(true);
  });

  it('loses them step by step, but for one that is redriven meanwhile', async () => {
    const { job_type: type } = await claimed();
    const jobs = [await oldJob(type), await oldJob(type), await oldJob(type), await oldJob(type)];
    for (const id of jobs) await finish(id, DAYS_AGO);
    const cancelled = only(jobs.slice(0, 1));
    await owner`update ops.outcome set status = 'cancelled' where job_id = ${cancelled}`;
    const client = await queue.session('api');
    await begin(client);
    await client.sql`select ops.retry_job(${cancelled})`;
    const step = async (): Promise<unknown> =>
      only(await owner`select ops.delete_finished('rest', now() - interval '7 days', 2) as deleted`)[
        'deleted'
      ];
    expect([await step(), await step(), await step()]).toEqual([2, 1, 0]);
    await client.sql`commit`;
    expect(await step()).toBe(0);
    expect(await claim(type)).toMatchObject([{ job_id: cancelled }]);
  });
});

it('[Q-4] keeps a finished job while others of its claim run: one more report of it takes nothing from them', async () => {
  const { job_type: type } = await claimed();
  const ids = [await oldJob(type), await oldJob(type)];
  for (const id of ids) await wait(id, type);
  const [done, running] = await claim(type, { limit: 2 });
  if (!done || !running) throw new Error('Two jobs were waiting.');
  expect(await report(done, { status: 'completed' })).toBe(true);
  await owner`update ops.outcome set at = at - interval '8 days' where job_id = ${done.job_id}`;
  const deleteFinished = async () =>
    await owner`select ops.delete_finished('rest', now() - interval '7 days', 1000)`;
  await deleteFinished();
  expect(await isThere(done.job_id)).toBe(true);
  expect(await report(done, { status: 'completed' })).toBe(false);
  expect(await report(running, { status: 'completed' })).toBe(true);
  await deleteFinished();
  expect([await isThere(done.job_id), await isThere(running.job_id)]).toEqual([false, true]);
});
