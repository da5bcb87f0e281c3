import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, expect, it } from 'vitest';
import { postgresQueueEvents } from '#src/adapters/outbound/postgres/queue-events.ts';
import { leaseTokenOf } from '#src/adapters/outbound/postgres/worker-queue.ts';
import type { QueuePause } from '#src/application/worker/ports.ts';
import { testDatabase } from '../../support/database.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const PROBE_MS = 100;

const database = await testDatabase();
const api = new Client({ connectionString: database.urls.api });
await api.connect();
const worker = new Client({ connectionString: database.urls.worker });
await worker.connect();
const admin = new Client({ connectionString: database.urls.admin });
await admin.connect();
const proxy = await tcpProxy(database.urls.worker);
const errors: unknown[] = [];
const cancelled: string[] = [];
const pauses: QueuePause[] = [];
let commands = 0;
let ready = 0;
const events = postgresQueueEvents({
  url: () => proxy.url,
  workerId: 'worker-1',
  types: ['a'],
  probeIntervalMs: PROBE_MS,
  probeTimeoutMs: PROBE_MS,
  onError: (error) => errors.push(error),
});
events.start({
  onReady: () => (ready += 1),
  onCancelled: (leaseToken) => cancelled.push(leaseToken),
  onPaused: (pause) => pauses.push(pause),
  onCommand: () => (commands += 1),
});
await events.setIdle(true);
afterAll(async () => {
  events.stop();
  await worker.end();
  await admin.end();
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

const wake = async (type = 'a') => await api.query('select ops.wake($1)', [[type]]);

it('looks once at the start, for what was queued before', async () => {
  await expect.poll(() => ready).toBe(1);
});

it('is woken by the commit that queues a job of its type, and by whoever says that there are some', async () => {
  const before = ready;
  await wake('b');
  await sleep(50);
  expect(ready).toBe(before);
  await wake();
  await expect.poll(() => ready).toBe(before + 1);
  await queueJob();
  await expect.poll(() => ready).toBe(before + 2);
});

it('[Q-5] hears the lease of an attempt that was cancelled, and nothing of a job that nobody works on', async () => {
  await api.query('select ops.cancel_job($1)', [await queueJob('2099-01-01')]);
  const id = await queueJob();
  const { rows } = await worker.query<Record<string, string>>(
    `select job_id, lease_token from ops.claim_jobs('{a}', 10, 30, 'worker-1')`,
  );
  await api.query('select ops.cancel_job($1)', [id]);
  const claim = rows.find((row) => row['job_id'] === id)?.['lease_token'] ?? '';
  await expect.poll(() => cancelled).toEqual([leaseTokenOf(id, claim)]);
});

it('is not woken while it is busy', async () => {
  await events.setIdle(false);
  const before = ready;
  await wake();
  await sleep(50);
  expect(ready).toBe(before);
  await events.setIdle(true);
});

it('hears which jobs must wait, and that it is asked for something itself', async () => {
  await admin.query("select ops.pause_queue('a'), ops.freeze_queues()");
  await expect
    .poll(() => pauses)
    .toEqual([
      { type: 'a', organizationId: undefined },
      { type: undefined, organizationId: undefined },
    ]);
  await admin.query("select ops.unfreeze_queues(), ops.resume_queue('a')");
  for (const id of ['worker-1', 'worker-2'])
    await admin.query("select ops.register_heartbeat($1, 'test')", [id]);
  await admin.query("select ops.command_worker('worker-2', 'stop'), ops.command_worker('worker-1', 'drain')");
  await expect.poll(() => commands).toBe(1);
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
  await wake();
  await expect.poll(() => ready).toBe(before + 2);
});

it('goes on trying when the server accepts a connection and says nothing, and listens when it speaks again', async () => {
  proxy.freeze();
  proxy.cut();
  const { connections } = proxy;
  // A try of a silent server ends a second after the time of its statements.
  await expect.poll(() => proxy.connections, { timeout: 8000 }).toBeGreaterThan(connections + 2);
  const before = ready;
  proxy.thaw();
  await expect.poll(() => ready, { timeout: 8000 }).toBeGreaterThan(before);
}, 20_000);
