import { describe, expect, it } from 'vitest';
import {
  PREFETCH_LIMIT,
  GIVE_BACK_AFTER_MS,
  MEMORY_WAIT_LIMIT_MS,
  createPace,
  prefetchSize,
} from '#src/adapters/inbound/worker/prefetch.ts';

describe('prefetch', () => {
  it('fetches nothing ahead for slow handlers', () => {
    expect(prefetchSize(10, 101)).toBe(0);
    expect(prefetchSize(1000, 30_000)).toBe(0);
  });

  it('fetches ahead what the slots finish within a fraction of the limit', () => {
    for (const [concurrency, durationMs] of [
      [1, 100],
      [10, 50],
      [10, 5],
      [100, 20],
    ] as const) {
      const size = prefetchSize(concurrency, durationMs);
      expect(size).toBeGreaterThan(0);
      expect((size * durationMs) / concurrency).toBeLessThanOrEqual(MEMORY_WAIT_LIMIT_MS / 2.5);
    }
  });

  it('never fetches more ahead than two claims bring', () => {
    expect(prefetchSize(1000, 0)).toBe(PREFETCH_LIMIT);
    expect(prefetchSize(10, 0.01)).toBe(PREFETCH_LIMIT);
  });

  it('gives jobs back early enough to be elsewhere within the limit', () => {
    expect(GIVE_BACK_AFTER_MS).toBeLessThanOrEqual(MEMORY_WAIT_LIMIT_MS - 100);
  });
});

describe('pace', () => {
  it('takes an unknown handler for a slow one', () => {
    expect(prefetchSize(10, createPace().slowMs())).toBe(0);
  });

  it('slows down with the first slow run, and speeds up only after many quick ones', () => {
    const pace = createPace();
    for (let n = 0; n < 200; n += 1) pace.note(2);
    expect(pace.slowMs()).toBeCloseTo(2, 0);
    pace.note(800);
    expect(pace.slowMs()).toBe(800);
    for (let n = 0; n < 20; n += 1) pace.note(2);
    expect(prefetchSize(10, pace.slowMs())).toBe(0);
    for (let n = 0; n < 60; n += 1) pace.note(2);
    expect(prefetchSize(10, pace.slowMs())).toBeGreaterThan(0);
  });
});
