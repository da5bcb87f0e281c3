import type { JsonValue } from './job.ts';
import { type RetryPolicy, backoffSeconds } from './retry-policy.ts';

/** What a worker reports of one attempt. `released` gives the job back unworked, with its attempt. */
export type Outcome =
  | { readonly status: 'completed'; readonly result: JsonValue }
  | { readonly status: 'retry'; readonly error: string; readonly backoffSeconds: number }
  | { readonly status: 'failed'; readonly error: string }
  | { readonly status: 'released' };

/** Thrown by a handler when trying again cannot help: the job becomes a dead letter at once. */
export class PermanentFailure extends Error {
  override readonly name = 'PermanentFailure';
}

/** Thrown by a handler that was told when to come back; a longer back-off of the policy wins. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly afterSeconds: number;

  constructor(message: string, afterSeconds: number) {
    super(message);
    this.afterSeconds = afterSeconds;
  }
}

/** @param random a number in [0, 1), so that jobs that failed together do not return together */
export function outcomeOfFailure(
  error: unknown,
  attempt: number,
  maxAttempts: number,
  policy: RetryPolicy,
  random: number,
): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof PermanentFailure || attempt >= maxAttempts)
    return { status: 'failed', error: message };
  const backoff = backoffSeconds(policy, attempt, random);
  const asked = error instanceof RetryLater ? Math.min(error.afterSeconds, policy.maxDelaySeconds) : 0;
  return { status: 'retry', error: message, backoffSeconds: Math.max(backoff, asked) };
}
