import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { busy, job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const nap = job('nap', async (payload, { signal }) => await busy(Number(payload), signal));
const quick = job('quick', async () => null);

/** A worker whose two slots are taken for 2 s, with quick jobs behind that were fetched ahead. */
async function congested(options: Parameters<typeof workerOn>[1] = {}) {
  const setup = workerOn([quick, nap], { heartbeatIntervalMs: 500, abortAfterMs: 5000, ...options });
  const { worker, offer, stateOf } = setup;
  await settled(worker.start());
  for (let n = 0; n < 200; n += 1) offer('quick');
  await pass(200);
  const running = [offer('nap', { payload: 2000 }), offer('nap', { payload: 2000 })];
  const organizations = ['a', 'b', null, 'a'];
  const behind = organizations.map((organizationId) => offer('quick', { organizationId }));
  await pass(20);
  expect([...running, ...behind].map(stateOf)).toEqual(Array.from({ length: 6 }, () => 'claimed'));
  return { ...setup, running, behind };
}

describe('told to drain', () => {
  it('takes no more jobs, gives back what waits, ends what runs, and goes on beating', async () => {
    const { worker, script, tell, running, behind, offer, stateOf, beats, idle, stopsAsked } =
      await congested();
    script.command = 'drain';
    tell().onCommand();
    await pass(5);
    expect(behind.map(stateOf)).toEqual(behind.map(() => 'released'));
    const more = offer('quick');
    const before = beats.length;
    await pass(5000);
    expect(running.map(stateOf)).toEqual(['completed', 'completed']);
    expect(stateOf(more)).toBe('offered');
    expect(beats.length).toBeGreaterThan(before + 5);
    expect(idle.at(-1)).toBe(false);
    expect(stopsAsked()).toBe(0);
    script.command = 'run';
    tell().onCommand();
    await pass(5);
    expect(stateOf(more)).toBe('completed');
    await settled(worker.drain());
  });

  it('learns it from the next beat, when no notification came', async () => {
    const { worker, script, behind, stateOf, offer } = await congested({ heartbeatIntervalMs: 50 });
    script.command = 'drain';
    await pass(60);
    expect(behind.map(stateOf)).toEqual(behind.map(() => 'released'));
    await pass(3000);
    const more = offer('quick');
    script.command = 'run';
    await pass(60);
    expect(stateOf(more)).toBe('completed');
    await settled(worker.drain());
  });

  it('[SEC-11] asks the database what it was told to do, and does nothing that only a notification says', async () => {
    const { worker, tell, offer, stateOf, beats, stopsAsked } = workerOn([quick, nap]);
    await settled(worker.start());
    const running = offer('nap', { payload: 1000 });
    await pass(50);
    const before = beats.length;
    tell().onCommand();
    tell().onCancelled(running.leaseToken);
    await pass(50);
    expect(beats.length).toBeGreaterThan(before);
    const offered = offer('quick');
    await pass(1000);
    expect([running, offered].map(stateOf)).toEqual(['completed', 'completed']);
    expect(stopsAsked()).toBe(0);
    await settled(worker.drain());
  });
});

describe('told to stop', () => {
  it('[AV-6] drains, says goodbye, and asks once for the end of the process', async () => {
    const { worker, script, tell, running, behind, stateOf, beats, listened, stopsAsked } = await congested();
    script.command = 'stop';
    tell().onCommand();
    tell().onCommand();
    await pass(5);
    expect(behind.map(stateOf)).toEqual(behind.map(() => 'released'));
    await pass(2500);
    expect(running.map(stateOf)).toEqual(['completed', 'completed']);
    expect(beats.at(-1)).toBe('stopped');
    expect(listened()).toBe(false);
    await settled(worker.drain());
    expect(stopsAsked()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('claims nothing when its first beat says so', async () => {
    const { worker, script, calls, listened, stopsAsked } = workerOn([quick]);
    script.command = 'stop';
    await settled(worker.start());
    await pass(2000);
    expect(calls).not.toContain('claim');
    expect(listened()).toBe(false);
    expect(stopsAsked()).toBe(1);
    await settled(worker.drain());
  });
});

describe('[Q-5] told of a pause', () => {
  it('gives back what waits of that type and organisation, and lets the rest be', async () => {
    const { worker, tell, running, behind, stateOf } = await congested();
    tell().onPaused({ type: 'nap', organizationId: undefined });
    tell().onPaused({ type: 'quick', organizationId: 'a' });
    await pass(5);
    expect(behind.map(stateOf)).toEqual(['released', 'claimed', 'claimed', 'released']);
    expect(running.map(stateOf)).toEqual(['claimed', 'claimed']);
    tell().onPaused({ type: 'quick', organizationId: undefined });
    await pass(5);
    expect(behind.map(stateOf)).toEqual(behind.map(() => 'released'));
    await settled(worker.drain());
  });

  it('gives all back that waits when everything is frozen, and goes on with what runs', async () => {
    const { worker, tell, running, behind, stateOf } = await congested();
    tell().onPaused({ type: undefined, organizationId: undefined });
    await pass(5);
    expect(behind.map(stateOf)).toEqual(behind.map(() => 'released'));
    await pass(2500);
    expect(running.map(stateOf)).toEqual(['completed', 'completed']);
    await settled(worker.drain());
  });

  it('gives back what a claim brings that was under way', async () => {
    const { worker, script, tell, offer, stateOf } = workerOn([quick, nap]);
    await settled(worker.start());
    await pass(50);
    script.answerAfterMs = 20;
    const [paused, other] = [offer('quick'), offer('nap', { payload: 1 })];
    await pass(10);
    tell().onPaused({ type: 'quick', organizationId: undefined });
    await pass(100);
    expect([paused, other].map(stateOf)).toEqual(['released', 'completed']);
    const later = offer('quick');
    await pass(100);
    expect(stateOf(later)).toBe('completed');
    await settled(worker.drain());
  });
});
