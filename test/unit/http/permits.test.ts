import { permitsOf } from '#src/adapters/inbound/http/permits.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const MINUTE = 60_000;

const threeAMinute = () => permitsOf({ name: 'test', max: 3, windowMs: MINUTE });

const spent = (permits: ReturnType<typeof permitsOf>, subject: string, requests: number): boolean[] =>
  Array.from({ length: requests }, () => permits.spend(permits.windowOf(subject)));

describe('[SEC-8] permits of a process that counts for itself', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'], now: 1000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are as many as the quota, for each subject', () => {
    const permits = threeAMinute();
    expect(spent(permits, 'a', 5)).toEqual([true, true, true, false, false]);
    expect(spent(permits, 'b', 1)).toEqual([true]);
  });

  it('are told at once', () => {
    const permits = threeAMinute();
    const told: boolean[] = [];
    for (const _ of [1, 2, 3, 4])
      permits.take(permits.windowOf('a'), (isAdmitted) => {
        told.push(isAdmitted);
      });
    expect(told).toEqual([true, true, true, false]);
    expect(permits.decisions).toEqual({ admitted: 3, refused: 1 });
  });

  it('come back when the window ends, which began with the first request', () => {
    const permits = threeAMinute();
    expect(spent(permits, 'a', 1)).toEqual([true]);
    vi.advanceTimersByTime(MINUTE - 1);
    expect(spent(permits, 'a', 3)).toEqual([true, true, false]);
    expect(permits.standingOf(permits.windowOf('a'))).toEqual({ remaining: 0, ttl: 1 });
    vi.advanceTimersByTime(1);
    expect(spent(permits, 'a', 4)).toEqual([true, true, true, false]);
    expect(permits.standingOf(permits.windowOf('a'))).toEqual({ remaining: 0, ttl: MINUTE });
  });

  it('can be given back, but not to a later window', () => {
    const permits = threeAMinute();
    const window = permits.windowOf('a');
    spent(permits, 'a', 3);
    const { endsAt } = window;
    permits.giveBack(window, endsAt);
    expect(spent(permits, 'a', 2)).toEqual([true, false]);
    vi.advanceTimersByTime(MINUTE);
    permits.windowOf('a');
    permits.giveBack(window, endsAt);
    expect(spent(permits, 'a', 4)).toEqual([true, true, true, false]);
  });

  it('[ARC-3] are remembered of 10,000 subjects, those that were seen last', () => {
    const permits = threeAMinute();
    spent(permits, 'first', 3);
    for (const index of Array(9_999).keys()) spent(permits, `${index}`, 1);
    expect(spent(permits, 'first', 1)).toEqual([false]);
    for (const index of Array(10_000).keys()) spent(permits, `more ${index}`, 1);
    expect(spent(permits, 'first', 1)).toEqual([true]);
  });
});
