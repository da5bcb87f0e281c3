import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { MEMORY_WAIT_LIMIT_MS } from '#src/adapters/inbound/worker/prefetch.ts';
import type { WorkerQueue } from '#src/application/worker/ports.ts';
import { workerVariables } from '#src/config/variables/worker.ts';
import { noCommitWakes } from '#test/support/idle-worker.ts';
import { job } from '#test/support/worker.ts';
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import {
  countOf,
  jobRow,
  nap,
  queueJob,
  queueJobs,
  sql,
  until,
  untilListening,
  untilStatus,
  urls,
  working,
} from './setup.ts';

it.for([
  { what: 'wakes it by the commit', commitWakes: true },
  { what: 'wakes it afterwards', commitWakes: false },
])('runs at once what somebody queues who $what, long before its poll', async ({ commitWakes }) => {
  if (!commitWakes) await noCommitWakes({ urls });
  await working([job('quick', async () => 'done')], { pollIntervalMs: 60_000 });
  await untilListening();
  await sleep(50);
  const id = await queueJob('quick');
  if (!commitWakes) await sql(`select ops.wake('{quick}')`);
  await until(async () => {
    expect(await jobRow(id)).toMatchObject({ status: 'completed' });
  });
});

it('finds what nobody wakes it for by its first look after the commit, within 500 ms as it polls by default', async () => {
  const { schema, fallback = '' } = workerVariables.DRAGONFLY_WORKER_POLL_INTERVAL;
  const pollIntervalMs = schema.parse(fallback);
  const looks: { atMs: number; tookMs: number; ids: string[] }[] = [];
  const noting = (queue: WorkerQueue): WorkerQueue => ({
    ...queue,
    async claim(types, limit) {
      const atMs = performance.now();
      const jobs = await queue.claim(types, limit);
      looks.push({ atMs, tookMs: performance.now() - atMs, ids: jobs.map(({ id }) => id) });
      return jobs;
    },
  });
  await noCommitWakes({ urls });
  // How late this machine is with a timer; the worker is in this process.
  const lateness = monitorEventLoopDelay({ resolution: 1 });
  await working([job('unsaid', async () => 'done')], { pollIntervalMs }, noting);
  await untilListening();
  lateness.enable();
  const waits: number[] = [];
  const calls: number[] = [];
  for (let n = 0; n < 10; n += 1) {
    await sleep(Math.random() * pollIntervalMs);
    const callMs = performance.now();
    const id = await queueJob('unsaid');
    const committedMs = performance.now();
    calls.push(committedMs - callMs);
    await untilStatus(id, 'completed');
    const found = looks.find(({ ids }) => ids.includes(id));
    expect(found).toBe(looks.find(({ atMs, ids }) => atMs > committedMs || ids.includes(id)));
    const [row] = await sql(
      'select extract(epoch from started_at - created_at) * 1000 as wait from ops.job_now where id = $1',
      id,
    );
    waits.push(Number(row?.['wait']));
  }
  waits.sort((a, b) => a - b);
  expect(waits[5]).toBeLessThan(500);
  const slowestCallMs = Math.max(...calls, ...looks.map(({ tookMs }) => tookMs));
  expect(waits.at(-1)).toBeLessThan(500 + lateness.max / 1e6 + slowestCallMs);
});

it('[AV-6] returns unfinished jobs at once when it drains, with their attempts', async () => {
  const first = await working([nap]);
  const ids = await queueJobs('nap', [60_000, 60_000]);
  for (const id of ids) await untilStatus(id, 'processing');
  const startedAt = performance.now();
  await first.stop();
  expect(performance.now() - startedAt).toBeLessThan(1500);
  for (const id of ids) expect(await jobRow(id)).toMatchObject({ status: 'pending', attempts: 0 });
  expect(await sql('select status from ops.worker where id = $1', first.id)).toEqual([{ status: 'stopped' }]);
  for (const id of ids) await sql('select ops.cancel_job($1)', id);
});

it('[Q-4] aborts a job whose lease was taken from it', async () => {
  const worker = await working([nap]);
  const id = await queueJob('nap', 60_000);
  await untilStatus(id, 'processing');
  await sql('select ops.return_jobs(array(select claim_id from ops.lease where job_id = $1))', id);
  await until(() => {
    expect(worker.logged('job aborted')).toMatchObject([{ job_id: id, reason: 'lease_lost' }]);
  });
  await sql('select ops.cancel_job($1)', id);
});

it('[Q-5] aborts a running job when it is cancelled, long before the next heartbeat', async () => {
  const worker = await working([nap], { heartbeatIntervalMs: 30_000, abortAfterMs: 45_000 });
  await untilListening();
  const id = await queueJob('nap', 60_000);
  await untilStatus(id, 'processing');
  await sql('select ops.cancel_job($1)', id);
  await until(() => {
    expect(worker.logged('job aborted')).toMatchObject([{ job_id: id, reason: 'cancelled' }]);
  }, 2000);
  expect(await jobRow(id)).toMatchObject({ status: 'cancelled' });
});

it('[SEC-11] believes no notification: who only reads can send one, and neither stops it nor ends its job', async () => {
  const worker = await working([nap], { heartbeatIntervalMs: 30_000, abortAfterMs: 45_000 });
  await untilListening();
  const id = await queueJob('nap', 500);
  await untilStatus(id, 'processing');
  const [lease] = await sql('select claim_id from ops.lease where job_id = $1', id);
  const reader = new Client({ connectionString: urls.readonly });
  await reader.connect();
  onTestFinished(async () => await reader.end());
  for (const [channel, payload] of [
    ['ops_job_cancelled', `${id} ${String(lease?.['claim_id'])}`],
    ['ops_worker_command', `${worker.id} stop`],
    ['ops_worker_command', `${worker.id} no-command`],
  ])
    await reader.query('select pg_notify($1, $2)', [channel, payload]);
  await untilStatus(id, 'completed');
  await untilStatus(await queueJob('nap', 1), 'completed');
  expect(worker.logged('job aborted')).toEqual([]);
  expect(worker.logged('worker obeys a command')).toEqual([]);
});

it('lets no job wait in its memory beside an idle worker', async () => {
  const waits: number[] = [];
  /** Notes how long claimed jobs were in memory before they ran or were given back. */
  function observed() {
    const since = new Map<string, number>();
    const out = (id: string): void => {
      const claimedAt = since.get(id);
      if (claimedAt !== undefined) waits.push(performance.now() - claimedAt);
      since.delete(id);
    };
    const decorate = (queue: WorkerQueue): WorkerQueue => ({
      ...queue,
      async claim(types, limit) {
        const jobs = await queue.claim(types, limit);
        for (const { id } of jobs) since.set(id, performance.now());
        return jobs;
      },
      async complete(reports) {
        const stored = await queue.complete(reports);
        for (const { job, outcome } of reports) if (outcome.status === 'released') out(job.id);
        return stored;
      },
    });
    const mixed = job('mixed', async (payload, { jobId }) => {
      out(jobId);
      return await sleep(Number(payload), null);
    });
    return { decorate, mixed };
  }
  for (let n = 0; n < 2; n += 1) {
    const { decorate, mixed } = observed();
    await working([mixed], { concurrency: 4 }, decorate);
  }
  // Long enough quick ones to be fetched ahead, then slow ones in between.
  await queueJobs(
    'mixed',
    Array.from({ length: 400 }, () => 1),
  );
  const ids = await queueJobs(
    'mixed',
    Array.from({ length: 300 }, (_, n) => (n % 25 === 0 ? 700 : 2)),
  );
  for (const id of ids.slice(-1)) await untilStatus(id, 'completed');
  await until(async () => {
    expect([await countOf('pending'), await countOf('processing')]).toEqual([0, 0]);
  });
  waits.sort((a, b) => a - b);
  expect(waits.length).toBeGreaterThanOrEqual(700);
  expect(waits[Math.floor(waits.length * 0.95)]).toBeLessThan(MEMORY_WAIT_LIMIT_MS);
});
