import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { away } from '#test/support/scripted-queue.ts';
import { job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const sum = job('sum', async () => null);
const bad = job('bad', async () => {
  throw new Error('No.');
});

const OUTAGE = ['database unavailable, the worker waits for it', 'database available again'];

it('[AV-4] says of an outage once that it began and once that it is over', async () => {
  const { worker, offer, script, lines } = workerOn([sum]);
  await settled(worker.start());
  script.fail = away;
  offer('sum');
  await pass(20_000);
  script.fail = () => undefined;
  await pass(5000);
  expect(lines.filter(({ level }) => level !== 'debug' && level !== 'info').map(({ msg }) => msg)).toEqual(
    OUTAGE,
  );
  await settled(worker.drain());
});

it('[AV-4] takes an outage for over when what failed works again, not when something else does', async () => {
  const { worker, offer, script, calls, lines } = workerOn([sum], { heartbeatIntervalMs: 1000 });
  await settled(worker.start());
  script.fail = (call) => (call === 'complete' ? away() : undefined);
  offer('sum');
  await pass(12_000);
  expect(calls.filter((call) => call === 'beat').length).toBeGreaterThan(10);
  const warnings = () => lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
  expect(warnings()).toEqual(OUTAGE.slice(0, 1));
  script.fail = () => undefined;
  await pass(3000);
  expect(warnings()).toEqual(OUTAGE);
  await settled(worker.drain());
});

it('[Q-7] logs each job with its trace id, id, type and attempt', async () => {
  const { worker, offer, lines } = workerOn([sum]);
  const { id, traceId } = offer('sum');
  await settled(worker.start());
  await pass(10);
  const about = { trace_id: traceId, job_id: id, job_type: 'sum', attempt: 1 };
  expect(lines).toMatchObject([
    { ...about, level: 'debug', msg: 'job started' },
    { ...about, level: 'info', msg: 'job completed', duration_ms: expect.any(Number) as number },
  ]);
  await settled(worker.drain());
});

it('[Q-7] traces each attempt under the trace of its job', async () => {
  const { worker, offer, spans } = workerOn([sum, bad]);
  const [first, second] = [offer('bad'), offer('sum', { attempt: 2 })];
  await settled(worker.start());
  await pass(100);
  expect(spans).toMatchObject([
    {
      kind: 'consumer',
      name: 'process bad',
      traceId: first.traceId,
      failed: true,
      attributes: { 'job.attempt': 1, 'job.outcome': 'retry' },
    },
    {
      kind: 'consumer',
      name: 'process sum',
      traceId: second.traceId,
      failed: false,
      attributes: { 'job.attempt': 2, 'job.outcome': 'completed' },
    },
  ]);
  await settled(worker.drain());
});

it('[Q-7] lets a handler continue the trace as the span of its attempt', async () => {
  const seen: string[] = [];
  const { worker, offer, spans } = workerOn([
    job('call', async (_payload, { traceparent }) => {
      seen.push(traceparent);
      return null;
    }),
  ]);
  offer('call');
  await settled(worker.start());
  await pass(10);
  expect(seen).toEqual(spans.map(({ traceparent }) => traceparent));
  expect(seen).toHaveLength(1);
  await settled(worker.drain());
});

it('[OBS-4] counts what came of the attempts, by type', async () => {
  const { worker, offer, metrics } = workerOn([sum, bad]);
  offer('sum');
  offer('bad', { maxAttempts: 1 });
  await settled(worker.start());
  await pass(10);
  const text = await metrics.metrics();
  expect(text).toContain('jobs_processed_total{type="sum",outcome="completed"} 1');
  expect(text).toContain('jobs_processed_total{type="bad",outcome="failed"} 1');
  expect(text).toContain('job_duration_seconds_count{type="sum"} 1');
  expect(text).toContain('worker_running 0');
  await settled(worker.drain());
});
