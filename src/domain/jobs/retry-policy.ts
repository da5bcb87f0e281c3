/** Exponential back-off: initialDelaySeconds × factor^(attempt − 1), at most maxDelaySeconds. */
export interface Backoff {
  readonly initialDelaySeconds: number;
  readonly factor: number;
  readonly maxDelaySeconds: number;
}

export interface RetryPolicy extends Backoff {
  readonly maxAttempts: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 5,
  initialDelaySeconds: 5,
  factor: 3,
  maxDelaySeconds: 3600,
};

/**
 * Seconds until the next attempt, with "equal jitter": between half and all of the exponential delay.
 *
 * @param attempt the attempt that failed, from 1
 * @param random a number in [0, 1)
 */
export function backoffSeconds(backoff: Backoff, attempt: number, random: number): number {
  const { initialDelaySeconds, factor, maxDelaySeconds } = backoff;
  const delay = Math.min(initialDelaySeconds * factor ** (attempt - 1), maxDelaySeconds);
  return delay / 2 + (delay / 2) * random;
}
