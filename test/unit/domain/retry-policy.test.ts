import { type RetryPolicy, backoffSeconds } from '#src/domain/jobs/retry-policy.ts';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';

const policy: RetryPolicy = { maxAttempts: 8, initialDelaySeconds: 5, factor: 4, maxDelaySeconds: 3600 };

it('[Q-5] doubles back and forth between half and all of the exponential delay', () => {
  expect(backoffSeconds(policy, 1, 0)).toBe(2.5);
  expect(backoffSeconds(policy, 2, 0)).toBe(10);
  expect(backoffSeconds(policy, 3, 0.5)).toBe(60);
});

it('[Q-5] never exceeds the longest delay, however many attempts there were', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempt, random) => {
        const seconds = backoffSeconds(policy, attempt, random);
        const full = Math.min(
          policy.initialDelaySeconds * policy.factor ** (attempt - 1),
          policy.maxDelaySeconds,
        );
        expect(seconds).toBeGreaterThanOrEqual(full / 2);
        expect(seconds).toBeLessThanOrEqual(full);
      },
    ),
  );
});
