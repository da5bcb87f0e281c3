import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Contended } from '#src/application/worker/ports.ts';
import { NotAttempted } from '#src/domain/jobs/failure.ts';
import { away } from '#test/support/scripted-queue.ts';
import { busy, job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const nap = job('nap', async (_payload, { signal }) => await busy(1000, signal));
const echo = job('echo', async (payload) => payload as string);

it('[Q-5] asks for a retry with back-off, then reports success', async () => {
  const { worker, offer, outcomeOf, logged } = workerOn([
    job('flaky', async (_payload, { attempt }) => {
      if (attempt < 2) throw new Error('Not yet.');
      return attempt;
    }),
  ]);
  const [first, second] = [offer('flaky'), offer('flaky', { attempt: 2 })];
  await settled(worker.start());
  await pass(10);
  expect(outcomeOf(first)).toEqual({
    status: 'retry',
    error: 'Not yet.',
    backoffSeconds: expect.closeTo(1.5, 0) as number,
  });
  expect(outcomeOf(second)).toEqual({ status: 'completed', result: 2 });
  expect(logged('job failed, will be retried')).toHaveLength(1);
  await settled(worker.drain());
});

it('gives back with its attempt what was not even attempted, to come again later', async () => {
  const { worker, offer, outcomeOf, lines } = workerOn([
    job('waiting', async () => {
      throw new NotAttempted('The receiver is left alone.', 1);
    }),
  ]);
  const offered = offer('waiting', { attempt: 5 });
  await settled(worker.start());
  await pass(10);
  const again = { backoffSeconds: expect.closeTo(1.5, 0) as number };
  expect(outcomeOf(offered)).toEqual({ status: 'released', ...again });
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'info', msg: 'job not attempted, comes again later' }),
  );
  await settled(worker.drain());
});

it('keeps outcomes while the database is away', async () => {
  const { worker, offer, script, stateOf } = workerOn([nap]);
  const offered = [offer('nap'), offer('nap')];
  await settled(worker.start());
  await pass(500);
  script.fail = away;
  await pass(10_000);
  expect(offered.map(stateOf)).toEqual(['claimed', 'claimed']);
  script.fail = () => undefined;
  await pass(3000);
  expect(offered.map(stateOf)).toEqual(['completed', 'completed']);
  await settled(worker.drain());
});

it('stores the other outcomes when the database refuses one, and reports that one as failed', async () => {
  const { worker, offer, script, batches, outcomeOf, stateOf, logged } = workerOn([echo], {
    concurrency: 10,
  });
  script.fail = (_call, reports) =>
    reports.some(({ outcome }) => outcome.status === 'completed' && outcome.result === 'bad')
      ? new Error('invalid input syntax')
      : undefined;
  const good = Array.from({ length: 8 }, () => offer('echo', { payload: 'good' }));
  const bad = offer('echo', { payload: 'bad' });
  await settled(worker.start());
  await pass(100);
  expect(new Set(good.map(stateOf))).toEqual(new Set(['completed']));
  expect(outcomeOf(bad)).toEqual({
    status: 'failed',
    error: 'The job ran, but the database refused to store its outcome.',
  });
  expect(batches).toContain(1);
  expect(logged('the database refused what the worker asked').length).toBeGreaterThan(0);
  await settled(worker.drain());
});

it('[Q-3] never gives up an outcome that is refused in every form, and goes on with the others', async () => {
  const { worker, offer, script, calls, named, batches, outcomeOf, stateOf, logged } = workerOn([echo], {
    concurrency: 4,
    heartbeatIntervalMs: 10_000,
  });
  const refused = offer('echo', { payload: 'kept' });
  script.fail = (_call, reports) =>
    reports.some(({ job }) => job.id === refused.id) ? new Error('function does not exist') : undefined;
  const good = Array.from({ length: 5 }, () => offer('echo'));
  await settled(worker.start());
  await pass(100);
  expect(new Set(good.map(stateOf))).toEqual(new Set(['completed']));
  await pass(60_000);
  const tries = logged('the database refused what the worker asked');
  expect(tries).toHaveLength(calls.filter((call) => call === 'complete').length - batches.length);
  expect(tries.at(-1)).toMatchObject({ level: 'error', job_id: refused.id, operation: 'complete' });
  expect(tries.length).toBeGreaterThan(8);
  expect(tries.length).toBeLessThan(20);
  expect(named.at(-1)).toEqual([refused.leaseToken]);
  script.fail = () => undefined;
  await pass(30_000);
  expect(outcomeOf(refused)).toEqual({ status: 'completed', result: 'kept' });
  await settled(worker.drain());
});

it('[Q-3] says at its end that an outcome was refused to the last', async () => {
  const { worker, offer, script, stateOf, logged } = workerOn([echo]);
  const refused = offer('echo');
  script.fail = (call) => (call === 'complete' ? new Error('function does not exist') : undefined);
  await settled(worker.start());
  await pass(100);
  await settled(worker.drain());
  expect(stateOf(refused)).toBe('claimed');
  expect(logged('outcomes not reported: their jobs return when this worker counts as dead')).toMatchObject([
    { unreported: 1 },
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

it('sends no batch that is too large for a statement, and all of them', async () => {
  const text = 'x'.repeat(60_000);
  const large = job('large', async () => text);
  const { worker, offer, batches, stateOf } = workerOn([large], { concurrency: 500 });
  const offered = Array.from({ length: 500 }, () => offer('large', { notify: false }));
  await settled(worker.start());
  await pass(500);
  expect(new Set(offered.map(stateOf))).toEqual(new Set(['completed']));
  expect(Math.max(...batches) * text.length).toBeLessThan(9 * 1024 * 1024);
  expect(Math.max(...batches)).toBeGreaterThan(50);
  await settled(worker.drain());
});

it('takes no more jobs while too many outcomes are unreported', async () => {
  const large = job('large', async () => 'x'.repeat(60_000));
  const { worker, offer, script, stateOf } = workerOn([large], { concurrency: 10, pollIntervalMs: 20 });
  const offered = Array.from({ length: 2000 }, () => offer('large', { notify: false }));
  script.fail = (call) => (call === 'complete' ? away() : undefined);
  await settled(worker.start());
  await pass(1000);
  const left = offered.filter((one) => stateOf(one) === 'offered').length;
  expect(left).toBeGreaterThan(0);
  await pass(5000);
  expect(offered.filter((one) => stateOf(one) === 'offered')).toHaveLength(left);
  script.fail = () => undefined;
  await pass(5000);
  expect(offered.filter((one) => stateOf(one) === 'offered')).toHaveLength(0);
  await settled(worker.drain());
});

it('finds the one outcome of a large batch that is refused by few statements', async () => {
  const { worker, offer, script, calls, batches, outcomeOf } = workerOn([echo], { concurrency: 1000 });
  script.fail = (_call, reports) =>
    reports.some(({ outcome }) => outcome.status === 'completed' && outcome.result === 'bad')
      ? new Error('invalid input syntax')
      : undefined;
  const offered = Array.from({ length: 1000 }, (_, n) =>
    offer('echo', { payload: n === 700 ? 'bad' : 'good', notify: false }),
  );
  await settled(worker.start());
  await pass(1000);
  expect(batches.reduce((sum, size) => sum + size, 0)).toBe(1000);
  expect(calls.filter((call) => call === 'complete').length).toBeLessThan(90);
  expect(offered.filter((one) => outcomeOf(one)?.status === 'failed')).toEqual([offered[700]]);
  await settled(worker.drain());
});

it('[Q-3] stores the other outcomes while another session is in the way of one, and that one later', async () => {
  const { worker, offer, script, calls, outcomeOf, stateOf } = workerOn([echo], { concurrency: 10 });
  const stuck = offer('echo', { payload: 'stuck' });
  script.fail = (_call, reports) =>
    reports.some(({ job }) => job.id === stuck.id) ? new Contended('Locked.') : undefined;
  const others = Array.from({ length: 8 }, () => offer('echo'));
  await settled(worker.start());
  await pass(100);
  expect(new Set(others.map(stateOf))).toEqual(new Set(['completed']));
  const late = offer('echo');
  await pass(60_000);
  expect(stateOf(late)).toBe('completed');
  expect(calls.filter((call) => call === 'complete').length).toBeLessThan(25);
  expect(stateOf(stuck)).toBe('claimed');
  script.fail = () => undefined;
  await pass(30_000);
  expect(outcomeOf(stuck)).toEqual({ status: 'completed', result: 'stuck' });
  await settled(worker.drain());
});
