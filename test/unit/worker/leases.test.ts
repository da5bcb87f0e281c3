import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { away } from '#test/support/scripted-queue.ts';
import { busy, job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const nap = job('nap', async (payload, { signal }) => await busy(Number(payload), signal), 7200);

it('beats before it claims, so that its leases are guarded by the beats', async () => {
  const { worker, calls, offer } = workerOn([nap]);
  offer('nap', { payload: 1 });
  await settled(worker.start());
  await pass(10);
  expect(calls.slice(0, 2)).toEqual(['beat', 'claim']);
  await settled(worker.drain());
});

it('claims nothing before the first beat arrived', async () => {
  const { worker, offer, script, calls, stateOf } = workerOn([nap]);
  const offered = offer('nap', { payload: 1 });
  script.fail = away;
  await settled(worker.start());
  await pass(10_000);
  script.fail = () => undefined;
  expect(calls).not.toContain('claim');
  await pass(2500);
  expect(stateOf(offered)).toBe('completed');
  await settled(worker.drain());
});

it('[AV-8] does not start when the database refuses its first beat for good', async () => {
  const { worker, script, lines } = workerOn([nap]);
  const refusal = new Error('p_dead_after_seconds must be 1 to 3600');
  script.fail = () => refusal;
  await expect(settled(worker.start())).rejects.toBe(refusal);
  expect(lines).toEqual([]);
  script.fail = () => undefined;
  await settled(worker.drain());
});

it('[Q-5] aborts a running job that was cancelled and reports nothing of it', async () => {
  let reason: unknown;
  const { worker, offer, cancel, outcomeOf, logged } = workerOn([
    job('long', async (_payload, { signal }) => {
      await busy(60_000, signal).catch((error: unknown) => (reason = error));
      return null;
    }),
  ]);
  const offered = offer('long');
  await settled(worker.start());
  await pass(50);
  cancel(offered);
  await pass(10);
  expect(reason).toMatchObject({ name: 'JobAborted', reason: 'cancelled' });
  expect(outcomeOf(offered)).toBeUndefined();
  expect(logged('job aborted')).toHaveLength(1);
  expect(logged('job outcome refused: lease lost')).toHaveLength(0);
  await settled(worker.drain());
});

it('[Q-5] aborts a job whose cancellation overtook the answer of its claim', async () => {
  const { worker, script, offer, cancel, logged } = workerOn([nap]);
  await settled(worker.start());
  await pass(50);
  script.answerAfterMs = 20;
  const offered = offer('nap', { payload: 60_000 });
  await pass(10);
  cancel(offered);
  await pass(100);
  expect(logged('job aborted')).toMatchObject([{ job_id: offered.id, reason: 'cancelled' }]);
  await settled(worker.drain());
});

it('[Q-4] lets a later attempt of a job run that was cancelled and queued again', async () => {
  const { worker, offer, cancel, stateOf, logged } = workerOn([nap]);
  const cancelled = offer('nap', { payload: 1000 });
  await settled(worker.start());
  await pass(50);
  const again = offer('nap', { payload: 1000, id: cancelled.id });
  await pass(50);
  cancel(cancelled);
  await pass(1000);
  expect(logged('job aborted')).toHaveLength(1);
  expect(stateOf(again)).toBe('completed');
  await settled(worker.drain());
});

it('[Q-4] aborts a job whose lease was lost, and its outcome would be refused', async () => {
  const { worker, offer, takeBack, logged } = workerOn([nap], {
    heartbeatIntervalMs: 1000,
    abortAfterMs: 1500,
    pollIntervalMs: 60_000,
  });
  const lost = offer('nap', { payload: 60_000 });
  const ended = offer('nap', { payload: 800 });
  await settled(worker.start());
  await pass(500);
  takeBack(lost);
  takeBack(ended);
  await pass(600);
  expect(logged('job aborted')).toMatchObject([{ level: 'warn', reason: 'lease_lost', job_id: lost.id }]);
  expect(logged('job outcome refused: lease lost')).toMatchObject([{ level: 'warn', job_id: ended.id }]);
  await settled(worker.drain());
});

it('[Q-6] aborts all jobs itself when it could not beat for so long, and works again after the next beat', async () => {
  const { worker, offer, script, stateOf, logged } = workerOn([nap], {
    heartbeatIntervalMs: 30_000,
    abortAfterMs: 45_000,
  });
  const offered = offer('nap', { payload: 3600_000 });
  await settled(worker.start());
  await pass(31_000);
  script.fail = away;
  await pass(43_000);
  expect(logged('job failed, will be retried')).toHaveLength(0);
  await pass(2500);
  expect(logged('job failed, will be retried')).toHaveLength(1);
  expect(stateOf(offered)).toBe('claimed');
  const next = offer('nap', { payload: 10 });
  await pass(10_000);
  expect(stateOf(next)).toBe('offered');
  script.fail = () => undefined;
  await pass(3000);
  expect([offered, next].map(stateOf)).toEqual(['retry', 'completed']);
  await settled(worker.drain());
});

it('ends jobs at their deadlines, a little late at most, also those that ignore their signals', async () => {
  const deaf = job('deaf', async () => await busy(3600_000, new AbortController().signal), 2);
  const { worker, offer, outcomeOf } = workerOn([deaf]);
  await settled(worker.start());
  const first = offer('deaf');
  await pass(1000);
  const second = offer('deaf');
  await pass(990);
  expect(outcomeOf(first)).toBeUndefined();
  await pass(120);
  const late = { status: 'retry', error: 'The handler did not end within 2 s.' };
  expect(outcomeOf(first)).toMatchObject(late);
  expect(outcomeOf(second)).toBeUndefined();
  await pass(1000);
  expect(outcomeOf(second)).toMatchObject(late);
  await settled(worker.drain());
});
