import { setTimeout as sleep } from 'node:timers/promises';
import { MEMORY_WAIT_LIMIT_MS } from '#src/adapters/inbound/worker/prefetch.ts';
import type { WorkerQueue } from '#src/application/worker/ports.ts';
import { job } from '#test/support/worker.ts';
import { expect, it } from 'vitest';
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
  working,
} from './setup.ts';

it('runs what is queued within a fraction of its poll interval', async () => {
  await working([job('quick', async () => 'done')], { pollIntervalMs: 60_000 });
  await sleep(200);
  const startedAt = performance.now();
  const id = await queueJob('quick');
  await untilStatus(id, 'completed');
  expect(performance.now() - startedAt).toBeLessThan(1000);
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
    expect(await countOf('processing')).toBe(0);
  });
  waits.sort((a, b) => a - b);
  expect(waits.length).toBeGreaterThanOrEqual(700);
  expect(waits[Math.floor(waits.length * 0.95)]).toBeLessThan(MEMORY_WAIT_LIMIT_MS);
});
