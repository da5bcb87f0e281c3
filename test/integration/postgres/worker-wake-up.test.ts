import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { createPool } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueStore as store } from '#src/adapters/outbound/postgres/queue-store.ts';
import { postgresTransactions } from '#src/adapters/outbound/postgres/transactions.ts';
import { testDatabase } from '../../support/database.ts';

const { urls } = await testDatabase();
const pool = createPool({
  url: urls.api,
  applicationName: 'test',
  max: 5,
  acquireTimeoutMs: 1000,
  statementTimeoutMs: 1000,
  onIdleError: () => {},
});
const { transaction } = postgresTransactions(pool);

/** When each notification came. */
const heard: number[] = [];
const listener = new Client({ connectionString: urls.worker });
await listener.connect();
await listener.query('listen ops_job_ready');
listener.on('notification', () => heard.push(performance.now()));
afterAll(async () => {
  await listener.end();
  await pool.end();
});

const context = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  organizationId: '01a1fd10-8594-7db0-8f34-631f8c7f8b1b',
  actor: 'api_key:test',
};
const job = { type: 'test.job', payload: 1, maxAttempts: 3 };
/** Longer than any wake-up takes. */
const LONG_MS = 200;

beforeEach(async () => {
  await sleep(LONG_MS);
  heard.length = 0;
});

it('wakes the workers when a job is committed', async () => {
  await transaction(context, store.queueJob(job));
  await expect.poll(() => heard.length, { interval: 5 }).toBe(1);
});

it('wakes nobody for a job that waits for its time or was there already', async () => {
  const keyed = { ...job, uniqueKey: 'k', runAt: '2099-01-01T00:00:00Z' };
  await transaction(context, store.queueJob(keyed));
  await transaction(context, store.queueJob(keyed));
  await sleep(LONG_MS);
  expect(heard).toEqual([]);
});

it('wakes nobody before the commit of a transaction, nor after its rollback', async () => {
  let committing = Infinity;
  await transaction(context, async (run) => {
    await run(store.queueJob(job));
    await sleep(LONG_MS);
    committing = performance.now();
  });
  await expect.poll(() => heard.length, { interval: 5 }).toBe(1);
  expect(heard[0]).toBeGreaterThan(committing);

  const work = transaction(context, async (run) => {
    await run(store.queueJob(job));
    throw new RangeError('changed my mind');
  });
  await expect(work).rejects.toThrow(RangeError);
  await sleep(LONG_MS);
  expect(heard).toHaveLength(1);
});

it('wakes for many jobs a few times, the last time after the last commit', async () => {
  const jobs = Array.from({ length: 200 }, () => job);
  await Promise.all(jobs.map(async (one) => await transaction(context, store.queueJob(one))));
  const committed = performance.now();
  await expect.poll(() => heard.at(-1), { interval: 5 }).toBeGreaterThan(committed);
  expect(heard.length).toBeLessThan(jobs.length / 2);
});
