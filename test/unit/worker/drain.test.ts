import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { away } from '#test/support/scripted-queue.ts';
import { busy, job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const nap = job('nap', async (payload, { signal }) => await busy(Number(payload), signal));
const deaf = job('deaf', async () => await busy(60_000, new AbortController().signal));
const LEFT = 'outcomes not reported: their jobs return when this worker counts as dead';

it('[AV-6] claims no more, waits for what runs, reports it and says goodbye', async () => {
  const { worker, offer, stateOf, beats, listened } = workerOn([nap]);
  const running = [offer('nap', { payload: 5000 }), offer('nap', { payload: 5000 })];
  const waiting = offer('nap');
  await settled(worker.start());
  await pass(100);
  const drained = worker.drain();
  await pass(4000);
  expect(running.map(stateOf)).toEqual(['claimed', 'claimed']);
  await pass(1000);
  await settled(drained);
  expect([...running, waiting].map(stateOf)).toEqual(['completed', 'completed', 'offered']);
  expect(beats.at(-1)).toBe('stopped');
  expect(listened()).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

it('[AV-6] gives jobs that do not end in time back with their attempts, even if they ignore the signal', async () => {
  const { worker, offer, outcomeOf, logged } = workerOn([nap, deaf], { drainTimeoutMs: 2000 });
  const running = [offer('nap', { payload: 60_000 }), offer('deaf')];
  await settled(worker.start());
  await pass(100);
  const drained = worker.drain();
  await pass(1900);
  expect(running.map(outcomeOf)).toEqual([undefined, undefined]);
  await pass(200);
  await settled(drained);
  expect(running.map(outcomeOf)).toEqual([{ status: 'released' }, { status: 'released' }]);
  expect(logged('job aborted')).toHaveLength(2);
});

it('[AV-6] gives back at once what a claim brings that was under way when the drain began', async () => {
  const { worker, offer, script, outcomeOf } = workerOn([nap]);
  script.answerAfterMs = 300;
  const offered = offer('nap');
  await settled(worker.start());
  await pass(100);
  const drained = worker.drain();
  await pass(2000);
  await settled(drained);
  expect(outcomeOf(offered)).toEqual({ status: 'released' });
});

it('[AV-6] ends its drain also when the database is gone, and says what was left unreported', async () => {
  const { worker, offer, script, logged } = workerOn([nap]);
  offer('nap', { payload: 100 });
  await settled(worker.start());
  await pass(50);
  script.fail = away;
  const drained = worker.drain();
  await pass(6000);
  await settled(drained);
  expect(logged(LEFT)).toMatchObject([{ unreported: 1 }]);
  expect(vi.getTimerCount()).toBe(0);
});

it('[AV-6] is never longer than its time-out and the goodbye, however silent the database is', async () => {
  const { worker, offer, script, logged } = workerOn([nap], {
    drainTimeoutMs: 1000,
    goodbyeTimeoutMs: 5000,
    pollIntervalMs: 20,
    heartbeatIntervalMs: 100,
  });
  offer('nap', { payload: 60_000 });
  await settled(worker.start());
  await pass(90);
  script.answerAfterMs = 60_000;
  await pass(90);
  let ended = false;
  const drained = worker.drain().then(() => (ended = true));
  await pass(1000 + 5000 + 10);
  expect(ended).toBe(true);
  await drained;
  expect(logged(LEFT)).toMatchObject([{ unreported: 1 }]);
});
