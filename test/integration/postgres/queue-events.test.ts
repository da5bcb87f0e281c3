import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, expect, it } from 'vitest';
import { postgresQueueEvents } from '#src/adapters/outbound/postgres/queue-events.ts';
import { testDatabase } from '../../support/database.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const PROBE_MS = 100;

const database = await testDatabase();
const api = new Client({ connectionString: database.urls.api });
await api.connect();
const proxy = await tcpProxy(database.urls.worker);
const errors: unknown[] = [];
const cancelled: string[] = [];
let ready = 0;
const events = postgresQueueEvents({
  url: proxy.url,
  probeIntervalMs: PROBE_MS,
  probeTimeoutMs: PROBE_MS,
  onError: (error) => errors.push(error),
});
await events.start({ onReady: () => (ready += 1), onCancelled: (id) => cancelled.push(id) });
afterAll(async () => {
  await events.stop();
  await api.end();
  await proxy.close();
});

const queueJob = async (runAt = 'now') => {
  const { rows } = await api.query<{ id: string }>('select ops.queue_job($1, $2, 0, $3) as id', [
    'a',
    '{}',
    runAt,
  ]);
  return rows[0]?.id ?? '';
};

it('looks once at the start, for what was queued before', () => {
  expect(ready).toBe(1);
});

it('is woken by a job that can run now, and by no other', async () => {
  const before = ready;
  await queueJob('2099-01-01');
  await sleep(50);
  expect(ready).toBe(before);
  await queueJob();
  await expect.poll(() => ready).toBe(before + 1);
});

it('hears which job was cancelled', async () => {
  const id = await queueJob();
  await api.query('select ops.cancel_job($1)', [id]);
  await expect.poll(() => cancelled).toEqual([id]);
});

it.for([
  { failure: 'cut', fail: () => proxy.cut(), mend: () => {} },
  { failure: 'half-open', fail: () => proxy.freeze(), mend: () => proxy.thaw() },
])('notices a $failure connection, looks again and listens on', async ({ fail, mend }) => {
  const before = ready;
  errors.length = 0;
  fail();
  await expect.poll(() => errors.length, { timeout: 5000 }).toBeGreaterThan(0);
  mend();
  await expect.poll(() => ready, { timeout: 5000 }).toBe(before + 1);
  await queueJob();
  await expect.poll(() => ready).toBe(before + 2);
});
