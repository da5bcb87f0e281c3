import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { begin, connectQueue, newType } from './queue.ts';

const queue = await connectQueue();
const { queueJob, queueJobs, claim } = queue;

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
