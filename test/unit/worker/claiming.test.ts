import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CLAIM_LIMIT, MEMORY_WAIT_LIMIT_MS } from '#src/adapters/inbound/worker/prefetch.ts';
import { busy, job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const nap = job('nap', async (payload, { signal }) => await busy(Number(payload), signal));
const quick = job('quick', async () => null);

it('runs a job and reports its result', async () => {
  const { worker, offer, outcomeOf } = workerOn([job('sum', async () => ({ total: 3 }))]);
  const offered = offer('sum');
  await settled(worker.start());
  await pass(10);
  expect(outcomeOf(offered)).toEqual({ status: 'completed', result: { total: 3 } });
  await settled(worker.drain());
});

it('wakes on a notification long before the poll', async () => {
  const { worker, offer, stateOf } = workerOn([quick], { pollIntervalMs: 60_000 });
  await settled(worker.start());
  await pass(100);
  const offered = offer('quick');
  await pass(5);
  expect(stateOf(offered)).toBe('completed');
  await settled(worker.drain());
});

it('finds by polling what no notification told it of, also while other jobs keep ending', async () => {
  const { worker, offer, stateOf } = workerOn([nap, quick]);
  await settled(worker.start());
  for (let n = 0; n < 10; n += 1) offer('nap', { payload: 120 });
  await pass(300);
  const unannounced = offer('quick', { notify: false });
  await pass(600);
  expect(stateOf(unannounced)).toBe('completed');
  await settled(worker.drain());
});

it('polls at its interval also when a job ends in between', async () => {
  const { worker, offer, stateOf } = workerOn([nap]);
  await settled(worker.start());
  offer('nap', { payload: 400 });
  await pass(420);
  const unannounced = offer('nap', { payload: 1, notify: false });
  await pass(120);
  expect(stateOf(unannounced)).toBe('completed');
  await settled(worker.drain());
});

it('never has two claims under way, and never runs more jobs than it may', async () => {
  let running = 0;
  let most = 0;
  const long = job('long', async (_payload, { signal }) => {
    most = Math.max(most, (running += 1));
    await busy(30, signal);
    running -= 1;
    return null;
  });
  const { worker, offer, script, stateOf, mostClaimsAtOnce } = workerOn([long], { concurrency: 3 });
  script.answerAfterMs = 7;
  const offered = Array.from({ length: 40 }, () => offer('long'));
  await settled(worker.start());
  await pass(3000);
  expect(new Set(offered.map(stateOf))).toEqual(new Set(['completed']));
  expect({ running: most, claiming: mostClaimsAtOnce() }).toEqual({ running: 3, claiming: 1 });
  await settled(worker.drain());
});

it('claims ahead for quick handlers, so that a claim carries many jobs, though never more than fit', async () => {
  const { worker, offer, claims, script } = workerOn([quick], { concurrency: 10 });
  script.answerAfterMs = 5;
  for (let n = 0; n < 10_000; n += 1) offer('quick', { notify: false });
  await settled(worker.start());
  await pass(2000);
  expect(Math.max(...claims)).toBe(CLAIM_LIMIT);
  expect(claims.length).toBeLessThan(60);
  await settled(worker.drain());
});

it('claims the next batch while half of the last one is still there, so that no slot waits for it', async () => {
  let running = 0;
  const tick = job('tick', async (_payload, { signal }) => {
    running += 1;
    return await busy(1, signal).finally(() => (running -= 1));
  });
  const { worker, offer, script, claims } = workerOn([tick], { concurrency: 20 });
  script.answerAfterMs = 15;
  for (let n = 0; n < 5000; n += 1) offer('tick', { notify: false });
  await settled(worker.start());
  await pass(150);
  const before = claims.length;
  let least = running;
  for (let n = 0; n < 50; n += 1) {
    await pass(1);
    least = Math.min(least, running);
  }
  expect(least).toBe(20);
  expect(Math.min(...claims.slice(before))).toBeGreaterThanOrEqual(CLAIM_LIMIT / 2);
  await settled(worker.drain());
});

it('lets no job wait in its memory for longer than it may, whatever quick and slow ones come', async () => {
  const since = new Map<string, number>();
  const waits: number[] = [];
  const out = (id: string): void => {
    waits.push(performance.now() - (since.get(id) ?? NaN));
  };
  const mixed = job('mixed', async (payload, { jobId, signal }) => {
    out(jobId);
    return await busy(Number(payload), signal);
  });
  const { worker, offer, script, stateOf } = workerOn([mixed], { concurrency: 4 });
  script.onClaimed = (job) => since.set(job.id, performance.now());
  script.onReported = ({ job, outcome }) => {
    if (outcome.status !== 'released') return;
    out(job.id);
    offer('mixed', { id: job.id, payload: 1 });
  };
  // Long enough quick ones to be fetched ahead, then slow ones in between.
  const offered = Array.from({ length: 1500 }, (_, n) =>
    offer('mixed', { payload: n > 800 && n % 20 === 0 ? 1000 : 1, notify: false }),
  );
  await settled(worker.start());
  await pass(20_000);
  expect(new Set(offered.map(stateOf))).toEqual(new Set(['completed']));
  waits.sort((a, b) => a - b);
  expect(waits.length).toBeGreaterThan(offered.length);
  expect(waits.at(-1)).toBeLessThan(MEMORY_WAIT_LIMIT_MS);
  await settled(worker.drain());
});

it('lets timers and sockets have their turns, though no handler ever waits', async () => {
  vi.useRealTimers();
  let turn = 0;
  const count = (): void => {
    turn += 1;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  const seen: number[] = [];
  const greedy = job('greedy', async () => {
    seen.push(turn);
    const until = performance.now() + 1;
    while (performance.now() < until);
    return null;
  });
  const { worker, offer, outcomeOf } = workerOn([greedy], { concurrency: 1000 });
  const offered = Array.from({ length: 100 }, () => offer('greedy', { notify: false }));
  await worker.start();
  await vi.waitUntil(() => offered.every(outcomeOf), 10_000);
  clearImmediate(counting);
  expect(new Set(seen).size).toBeGreaterThan(3);
  await worker.drain();
});

it('starts the most urgent of what it has first, though it came last', async () => {
  const order: string[] = [];
  const note = job('note', async (payload, { signal }) => {
    order.push(String(payload));
    return await busy(20, signal);
  });
  const { worker, offer } = workerOn([quick, note], { concurrency: 1 });
  await settled(worker.start());
  for (let n = 0; n < 100; n += 1) offer('quick');
  await pass(200);
  for (const payload of ['first', 'second', 'third', 'fourth']) offer('note', { payload });
  await pass(5);
  offer('note', { payload: 'urgent', priority: 100 });
  await pass(200);
  expect(order).toEqual(['first', 'urgent', 'second', 'third', 'fourth']);
  await settled(worker.drain());
});

/** A worker whose two slots are taken for long, with quick jobs behind that were fetched ahead. */
async function congested() {
  const setup = workerOn([quick, nap]);
  const { worker, offer, stateOf } = setup;
  await settled(worker.start());
  for (let n = 0; n < 200; n += 1) offer('quick');
  await pass(200);
  const blocking = [offer('nap', { payload: 10_000 }), offer('nap', { payload: 10_000 })];
  const behind = Array.from({ length: 20 }, () => offer('quick'));
  await pass(50);
  expect([...blocking, ...behind].map(stateOf)).toEqual(Array.from({ length: 22 }, () => 'claimed'));
  return { ...setup, behind };
}

describe('with jobs that were fetched ahead and slots that stay taken', () => {
  it('gives them back before they have waited for too long, and fetches none again', async () => {
    const { worker, behind, claims, outcomeOf } = await congested();
    await pass(110);
    expect(behind.map(outcomeOf)).toEqual(behind.map(() => ({ status: 'released' })));
    const before = claims.length;
    await pass(9000);
    expect(claims).toHaveLength(before);
    await settled(worker.drain());
  });

  it('[AV-6] gives them back at once when it drains', async () => {
    const { worker, behind, outcomeOf } = await congested();
    const drained = worker.drain();
    await pass(5);
    expect(behind.map(outcomeOf)).toEqual(behind.map(() => ({ status: 'released' })));
    await settled(drained);
  });
});
