import { NotAttempted, PermanentFailure, RetryLater, describeFailure } from './failure.ts';
import type { JsonValue } from './job.ts';
import { type RetryPolicy, backoffSeconds } from './retry-policy.ts';

/** What a worker reports of one attempt. `released` gives the job back unworked, with its attempt: to its place, or to run later. */
export type Outcome =
  | { readonly status: 'completed'; readonly result: JsonValue }
  | { readonly status: 'retry'; readonly error: string; readonly backoffSeconds: number }
  | { readonly status: 'failed'; readonly error: string }
  | { readonly status: 'released'; readonly backoffSeconds?: number };

/** @param random a number in [0, 1), so that jobs that failed together do not return together */
export function outcomeOfFailure(
  error: unknown,
  attempt: number,
  maxAttempts: number,
  policy: RetryPolicy,
  random: number,
): Outcome {
  if (error instanceof NotAttempted) {
    return {
      status: 'released',
      backoffSeconds: Math.min(error.afterSeconds * (1 + random), policy.maxDelaySeconds),
    };
  }
  const text = describeFailure(error);
  if (error instanceof PermanentFailure || attempt >= maxAttempts) return { status: 'failed', error: text };
  const backoff = backoffSeconds(policy, attempt, random);
  const asked = error instanceof RetryLater ? Math.min(error.afterSeconds, policy.maxDelaySeconds) : 0;
  return { status: 'retry', error: text, backoffSeconds: Math.max(backoff, asked) };
}
