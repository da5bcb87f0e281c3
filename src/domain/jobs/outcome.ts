import { NotAttempted, PermanentFailure, RetryLater, describeFailure } from './failure.ts';
import type { JsonValue, NewJob } from './job.ts';
import { type RetryPolicy, backoffSeconds } from './retry-policy.ts';

/** What a worker reports of one attempt. `released` gives the job back unworked, with its attempt: to its place, or to run later. */
export type Outcome =
  | {
      readonly status: 'completed';
      readonly result: JsonValue;
      /** Queued with the storing of the outcome, all or none of it. */
      readonly followUps?: readonly NewJob[];
    }
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
    return { status: 'released', backoffSeconds: asked(error.afterSeconds * (1 + random), policy) };
  }
  const text = describeFailure(error);
  if (error instanceof PermanentFailure || attempt >= maxAttempts) return { status: 'failed', error: text };
  const backoff = backoffSeconds(policy, attempt, random);
  const later = error instanceof RetryLater ? asked(error.afterSeconds, policy) : 0;
  return { status: 'retry', error: text, backoffSeconds: Math.max(backoff, later) };
}

/** A handler may have calculated it from what a stranger sent: what is no time is no wait. */
const asked = (seconds: number, { maxDelaySeconds }: RetryPolicy): number =>
  Number.isNaN(seconds) ? 0 : Math.min(Math.max(seconds, 0), maxDelaySeconds);
