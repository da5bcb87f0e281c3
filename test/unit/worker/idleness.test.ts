import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const quick = job('quick', async () => null);
const onQuick = () => workerOn([quick], { pollIntervalMs: 10_000 });

it('says that it is idle when it finds nothing, looks at once and once more, and then only polls', async () => {
  const { worker, idle, claims } = onQuick();
  await settled(worker.start());
  await pass(5);
  expect(idle).toEqual([true]);
  expect(claims).toHaveLength(2);
  await pass(50);
  expect(claims).toHaveLength(3);
  await pass(9900);
  expect(claims).toHaveLength(3);
  await pass(200);
  expect(claims).toHaveLength(4);
  expect(idle).toEqual([true]);
  await settled(worker.drain());
});

it.each([0, 20])(
  'finds what was queued as it became idle and seen %i ms later, without a poll',
  async (ms) => {
    const { worker, script, offer, stateOf } = onQuick();
    const offered = Promise.withResolvers<ReturnType<typeof offer>>();
    script.onIdle = () => {
      setTimeout(() => {
        offered.resolve(offer('quick', { notify: false }));
      }, ms);
      script.onIdle = () => {};
    };
    await settled(worker.start());
    await pass(40);
    expect(stateOf(await offered.promise)).toBe('completed');
    await settled(worker.drain());
  },
);

it('stays idle while jobs trickle in', async () => {
  const { worker, idle, offer, stateOf } = onQuick();
  await settled(worker.start());
  await pass(100);
  for (let n = 0; n < 50; n += 1) {
    const offered = offer('quick');
    await pass(2);
    expect(stateOf(offered)).toBe('completed');
  }
  expect(idle).toEqual([true]);
  await settled(worker.drain());
});

it('is busy after eight claims in a row that found something, and idle again when there is nothing more', async () => {
  const { worker, script, idle, offer } = onQuick();
  await settled(worker.start());
  await pass(100);
  script.claimAtMost = 1;
  for (let n = 0; n < 7; n += 1) offer('quick', { notify: n === 6 });
  await pass(50);
  expect(idle).toEqual([true]);
  for (let n = 0; n < 8; n += 1) offer('quick', { notify: n === 7 });
  await pass(50);
  expect(idle).toEqual([true, false, true]);
  await settled(worker.drain());
});

it('looks again after a claim that brought anything, though it brought less than asked for', async () => {
  const { worker, script, offer, stateOf } = onQuick();
  script.claimAtMost = 1;
  const offered = Array.from({ length: 5 }, () => offer('quick', { notify: false }));
  await settled(worker.start());
  await pass(10);
  expect(new Set(offered.map(stateOf))).toEqual(new Set(['completed']));
  await settled(worker.drain());
});

it('does not look when a type is queued that it does not serve', async () => {
  const { worker, claims, tell } = onQuick();
  await settled(worker.start());
  await pass(100);
  const before = claims.length;
  tell().onReady('other');
  await pass(10);
  expect(claims).toHaveLength(before);
  tell().onReady('quick');
  await pass(10);
  tell().onReady();
  await pass(10);
  expect(claims).toHaveLength(before + 2);
  await settled(worker.drain());
});

it('does not become idle by a claim that was under way when it was told to take no more', async () => {
  const { worker, script, idle, tell } = onQuick();
  script.answerAfterMs = 50;
  await settled(worker.start());
  await pass(20);
  script.answerAfterMs = 5;
  script.command = 'drain';
  tell().onCommand();
  await pass(200);
  expect(idle).toEqual([]);
  await settled(worker.drain());
});

it('[AV-6] wants to be woken no more when it drains', async () => {
  const { worker, idle } = onQuick();
  await settled(worker.start());
  await pass(5);
  await settled(worker.drain());
  expect(idle).toEqual([true, false]);
  expect(vi.getTimerCount()).toBe(0);
});
