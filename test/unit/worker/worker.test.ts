import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StoredJob } from '#test/support/memory-queue.ts';
import { busy, job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('runs a job and stores its result', async () => {
  const { worker, add } = workerOn([job('sum', async () => ({ total: 3 }))]);
  const queued = add('sum');
  await settled(worker.start());
  await pass(10);
  expect(queued).toMatchObject({ status: 'completed', attempts: 1, result: { total: 3 } });
  await settled(worker.drain());
});

it('beats before it claims, so that its leases are guarded by the beats', async () => {
  const { worker, calls, add } = workerOn([job('sum', async () => null)]);
  add('sum');
  await settled(worker.start());
  await pass(10);
  expect(calls.slice(0, 2)).toEqual(['beat', 'claim']);
  await settled(worker.drain());
});

it('wakes on a notification long before the poll', async () => {
  const { worker, add } = workerOn([job('sum', async () => null)], { pollIntervalMs: 60_000 });
  await settled(worker.start());
  await pass(100);
  const queued = add('sum');
  await pass(5);
  expect(queued.status).toBe('completed');
  await settled(worker.drain());
});

it('finds by polling what no notification told it of, also while other jobs keep ending', async () => {
  const { worker, add } = workerOn([
    job('long', async (_payload, { signal }) => await busy(120, signal)),
    job('sum', async () => null),
  ]);
  await settled(worker.start());
  for (let n = 0; n < 10; n += 1) add('long');
  await pass(300);
  const unannounced = add('sum', { notify: false, priority: 1 });
  await pass(500);
  expect(unannounced.status).toBe('completed');
  await settled(worker.drain());
});

it('polls at its interval also when a job ends in between', async () => {
  const { worker, add } = workerOn([
    job('nap', async (payload, { signal }) => await busy(Number(payload), signal)),
  ]);
  await settled(worker.start());
  add('nap', { payload: 400 });
  await pass(420);
  const unannounced = add('nap', { payload: 1, notify: false });
  await pass(120);
  expect(unannounced.status).toBe('completed');
  await settled(worker.drain());
});

it('never has two claims under way, and never runs more jobs than it may', async () => {
  let running = 0;
  let most = 0;
  const { worker, add, faults, mostClaimsAtOnce } = workerOn(
    [
      job('long', async (_payload, { signal }) => {
        most = Math.max(most, (running += 1));
        await busy(30, signal);
        running -= 1;
        return null;
      }),
    ],
    { concurrency: 3 },
  );
  faults.delayMs = 7;
  const queued = Array.from({ length: 40 }, () => add('long'));
  await settled(worker.start());
  await pass(3000);
  expect(queued.every(({ status }) => status === 'completed')).toBe(true);
  expect({ running: most, claiming: mostClaimsAtOnce() }).toEqual({ running: 3, claiming: 1 });
  await settled(worker.drain());
});

it('claims ahead for quick handlers, so that a claim carries many jobs', async () => {
  const { worker, add, claims, faults } = workerOn([job('sum', async () => null)], { concurrency: 10 });
  faults.delayMs = 5;
  await settled(worker.start());
  for (let n = 0; n < 2000; n += 1) add('sum');
  await pass(2000);
  expect(Math.max(...claims)).toBeGreaterThan(100);
  expect(claims.length).toBeLessThan(40);
  await settled(worker.drain());
});

it('starts the most urgent of what it has first, though it came last', async () => {
  const order: string[] = [];
  const note = job('note', async (payload, { signal }) => {
    order.push(String(payload));
    return await busy(20, signal);
  });
  const { worker, add } = workerOn([job('quick', async () => null), note], { concurrency: 1 });
  await settled(worker.start());
  for (let n = 0; n < 100; n += 1) add('quick');
  await pass(200);
  for (const payload of ['first', 'second', 'third', 'fourth']) add('note', { payload });
  await pass(5);
  add('note', { payload: 'urgent', priority: 100 });
  await pass(200);
  expect(order).toEqual(['first', 'urgent', 'second', 'third', 'fourth']);
  await settled(worker.drain());
});

/** A worker whose two slots are taken for long, with quick jobs behind that were fetched ahead. */
async function congested() {
  const quick = job('quick', async () => null);
  const slow = job('slow', async (_payload, { signal }) => await busy(10_000, signal));
  const setup = workerOn([quick, slow]);
  await settled(setup.worker.start());
  for (let n = 0; n < 200; n += 1) setup.add('quick');
  await pass(200);
  const blocking = [setup.add('slow', { priority: 1 }), setup.add('slow', { priority: 1 })];
  const behind = Array.from({ length: 20 }, () => setup.add('quick'));
  await pass(50);
  expect(blocking.map(({ status }) => status)).toEqual(['processing', 'processing']);
  expect(behind.filter(({ status }) => status === 'processing').length).toBeGreaterThan(0);
  return { ...setup, behind };
}
const untouched = ({ status, attempts }: StoredJob): boolean => status === 'pending' && attempts === 0;

describe('with jobs that were fetched ahead and slots that stay taken', () => {
  it('gives them back before they have waited for too long, and fetches none again', async () => {
    const { worker, behind, claims } = await congested();
    await pass(110);
    expect(behind.every(untouched)).toBe(true);
    const before = claims.length;
    await pass(9000);
    expect(claims).toHaveLength(before);
    await settled(worker.drain());
  });

  it('[AV-6] gives them back at once when it drains', async () => {
    const { worker, behind } = await congested();
    const drained = worker.drain();
    await pass(5);
    expect(behind.every(untouched)).toBe(true);
    await settled(drained);
  });
});

it('[Q-5] retries with back-off, then succeeds', async () => {
  const { worker, add, logged } = workerOn([
    job('flaky', async (_payload, { attempt }) => {
      if (attempt < 3) throw new Error('Not yet.');
      return attempt;
    }),
  ]);
  const queued = add('flaky');
  await settled(worker.start());
  await pass(10);
  expect(queued).toMatchObject({ status: 'pending', attempts: 1, error: 'Not yet.' });
  await pass(5000);
  expect(queued).toMatchObject({ status: 'completed', attempts: 3, result: 3 });
  expect(logged('job failed, will be retried')).toHaveLength(2);
  await settled(worker.drain());
});

it('[Q-5] aborts a running job that was cancelled and reports nothing of it', async () => {
  let reason: unknown;
  const { worker, add, cancel, logged } = workerOn([
    job('long', async (_payload, { signal }) => {
      await busy(60_000, signal).catch((error: unknown) => (reason = error));
      return null;
    }),
  ]);
  const queued = add('long');
  await settled(worker.start());
  await pass(50);
  cancel(queued);
  await pass(10);
  expect(reason).toMatchObject({ name: 'JobAborted', reason: 'cancelled' });
  expect(queued.status).toBe('cancelled');
  expect(logged('job aborted')).toHaveLength(1);
  expect(logged('job outcome refused: lease lost')).toHaveLength(0);
  await settled(worker.drain());
});

it('[Q-4] aborts a job whose lease was lost, and its outcome would be refused', async () => {
  const { worker, add, takeBack, logged } = workerOn(
    [
      job('long', async (_payload, { signal }) => await busy(60_000, signal)),
      job('sum', async (_payload, { signal }) => await busy(800, signal)),
    ],
    { heartbeatIntervalMs: 1000, abortAfterMs: 1500, pollIntervalMs: 60_000 },
  );
  const lost = add('long');
  const ended = add('sum');
  await settled(worker.start());
  await pass(500);
  takeBack(lost);
  takeBack(ended);
  await pass(600);
  expect(logged('job aborted')).toMatchObject([{ level: 'warn', reason: 'lease_lost', job_id: lost.id }]);
  expect(logged('job outcome refused: lease lost')).toMatchObject([{ level: 'warn', job_id: ended.id }]);
  expect([lost.attempts, ended.attempts]).toEqual([2, 2]);
  await settled(worker.drain());
});

it('[Q-6] aborts all jobs itself when it could not beat for so long, and works again after the next beat', async () => {
  const { worker, add, faults, logged } = workerOn(
    [
      job(
        'long',
        async (_payload, { signal, attempt }) => await busy(attempt === 1 ? 3600_000 : 10, signal),
        7200,
      ),
    ],
    { heartbeatIntervalMs: 30_000, abortAfterMs: 45_000 },
  );
  const queued = add('long');
  await settled(worker.start());
  await pass(31_000);
  faults.unavailable = true;
  await pass(43_000);
  expect(logged('job failed, will be retried')).toHaveLength(0);
  await pass(2500);
  expect(logged('job failed, will be retried')).toHaveLength(1);
  expect(queued.status).toBe('processing');
  faults.unavailable = false;
  await pass(10_000);
  expect(queued).toMatchObject({ status: 'completed', attempts: 2 });
  await settled(worker.drain());
});

it('claims nothing before the first beat arrived', async () => {
  const { worker, add, faults, calls } = workerOn([job('sum', async () => null)]);
  const queued = add('sum');
  faults.unavailable = true;
  await settled(worker.start());
  await pass(10_000);
  faults.unavailable = false;
  expect(calls).not.toContain('claim');
  await pass(2500);
  expect(queued.status).toBe('completed');
  await settled(worker.drain());
});

it('keeps outcomes while the database is away, and says so once at the start and once at the end', async () => {
  const { worker, add, faults, lines } = workerOn([
    job('long', async (_payload, { signal }) => await busy(1000, signal)),
  ]);
  const queued = [add('long'), add('long')];
  await settled(worker.start());
  await pass(500);
  faults.unavailable = true;
  await pass(10_000);
  expect(queued.map(({ status }) => status)).toEqual(['processing', 'processing']);
  faults.unavailable = false;
  await pass(3000);
  expect(queued.map(({ status }) => status)).toEqual(['completed', 'completed']);
  const warnings = lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ msg }) => msg);
  expect(warnings).toEqual(['database unavailable, the worker waits for it', 'database available again']);
  await settled(worker.drain());
});

it('stores the other outcomes when the database refuses one, and reports that one as failed', async () => {
  const { worker, add, faults, batches, logged } = workerOn(
    [job('sum', async (payload) => payload as string)],
    { concurrency: 10 },
  );
  faults.refuses = ({ outcome }) => outcome.status === 'completed' && outcome.result === 'bad';
  const good = Array.from({ length: 8 }, () => add('sum', { payload: 'good' }));
  const bad = add('sum', { payload: 'bad' });
  await settled(worker.start());
  await pass(100);
  expect(good.every(({ status }) => status === 'completed')).toBe(true);
  expect(bad).toMatchObject({
    status: 'failed',
    error: 'The job ran, but the database refused to store its outcome.',
  });
  expect(batches).toContain(1);
  expect(logged('the database refused what the worker asked').length).toBeGreaterThan(0);
  await settled(worker.drain());
});

it('gives up on an outcome whose replacement is refused too, and goes on', async () => {
  const { worker, add, faults, jobs, logged } = workerOn([job('sum', async () => null)], { concurrency: 4 });
  const bad = add('sum');
  faults.refuses = ({ job }) => job.id === bad.id;
  for (let n = 0; n < 5; n += 1) add('sum');
  await settled(worker.start());
  await pass(100);
  expect(jobs.filter(({ status }) => status === 'completed')).toHaveLength(5);
  expect(logged('job outcome dropped')).toMatchObject([{ level: 'error', job_id: bad.id }]);
  await settled(worker.drain());
});

it('[AV-6] drains: claims no more, waits for what runs, reports it and says goodbye', async () => {
  const { worker, add, beats, listened } = workerOn([
    job('long', async (_payload, { signal }) => await busy(5000, signal)),
  ]);
  const running = [add('long'), add('long')];
  const waiting = add('long');
  await settled(worker.start());
  await pass(100);
  const drained = worker.drain();
  await pass(4000);
  expect(running.map(({ status }) => status)).toEqual(['processing', 'processing']);
  await pass(1000);
  await settled(drained);
  expect(running.map(({ status }) => status)).toEqual(['completed', 'completed']);
  expect(waiting).toMatchObject({ status: 'pending', attempts: 0 });
  expect(beats.at(-1)).toBe('stopped');
  expect(listened()).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

it('[AV-6] gives jobs that do not end in time back with their attempts, even if they ignore the signal', async () => {
  const { worker, add, logged } = workerOn(
    [
      job('polite', async (_payload, { signal }) => await busy(60_000, signal)),
      job('deaf', async () => await busy(60_000, new AbortController().signal)),
    ],
    { drainTimeoutMs: 2000 },
  );
  const running = [add('polite'), add('deaf')];
  await settled(worker.start());
  await pass(100);
  const drained = worker.drain();
  await pass(1900);
  expect(running.map(({ status }) => status)).toEqual(['processing', 'processing']);
  await pass(200);
  await settled(drained);
  expect(running).toMatchObject([
    { status: 'pending', attempts: 0 },
    { status: 'pending', attempts: 0 },
  ]);
  expect(logged('job aborted')).toHaveLength(2);
});

it('[AV-6] gives back at once what a claim brings that was under way when the drain began', async () => {
  const { worker, add, faults } = workerOn([job('sum', async () => null)]);
  faults.delayMs = 300;
  const queued = add('sum');
  await settled(worker.start());
  await pass(100);
  const drained = worker.drain();
  await pass(2000);
  await settled(drained);
  expect(queued).toMatchObject({ status: 'pending', attempts: 0 });
});

it('[AV-6] ends its drain also when the database is gone, and says what was left unreported', async () => {
  const { worker, add, faults, logged } = workerOn([
    job('long', async (_payload, { signal }) => await busy(100, signal)),
  ]);
  add('long');
  await settled(worker.start());
  await pass(50);
  faults.unavailable = true;
  const drained = worker.drain();
  await pass(6000);
  await settled(drained);
  expect(logged('outcomes not reported: their jobs return when this worker counts as dead')).toMatchObject([
    { unreported: 1 },
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

it('[Q-7] logs each job with its trace id, id, type and attempt', async () => {
  const { worker, add, lines } = workerOn([job('sum', async () => null)]);
  const queued = add('sum');
  await settled(worker.start());
  await pass(10);
  const about = { trace_id: queued.traceId, job_id: queued.id, job_type: 'sum', attempt: 1 };
  expect(lines).toMatchObject([
    { ...about, level: 'debug', msg: 'job started' },
    { ...about, level: 'info', msg: 'job completed', duration_ms: expect.any(Number) as number },
  ]);
  await settled(worker.drain());
});

it('[Q-7] traces each attempt under the trace of its job', async () => {
  const { worker, add, spans } = workerOn([
    job('flaky', async (_payload, { attempt }) => {
      if (attempt === 1) throw new Error('Not yet.');
      return null;
    }),
  ]);
  const { traceId } = add('flaky');
  await settled(worker.start());
  await pass(3000);
  const about = { kind: 'consumer', name: 'process flaky', traceId };
  expect(spans).toMatchObject([
    { ...about, failed: true, attributes: { 'job.attempt': 1, 'job.outcome': 'retry' } },
    { ...about, failed: false, attributes: { 'job.attempt': 2, 'job.outcome': 'completed' } },
  ]);
  await settled(worker.drain());
});

it('[OBS-4] counts what came of the attempts, by type', async () => {
  const { worker, add, metrics } = workerOn([
    job('good', async () => null),
    job('bad', async () => {
      throw new Error('No.');
    }),
  ]);
  add('good');
  add('bad', { maxAttempts: 1 });
  await settled(worker.start());
  await pass(10);
  const text = await metrics.metrics();
  expect(text).toContain('jobs_processed_total{type="good",outcome="completed"} 1');
  expect(text).toContain('jobs_processed_total{type="bad",outcome="failed"} 1');
  expect(text).toContain('job_duration_seconds_count{type="good"} 1');
  expect(text).toContain('worker_running 0');
  await settled(worker.drain());
});
