import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import { type Outcome, PermanentFailure, outcomeOfFailure } from '#src/domain/jobs/outcome.ts';
import { DEFAULT_RETRY } from '#src/domain/jobs/retry-policy.ts';
import { toStorable, toStorableJson } from '#src/domain/jobs/storable.ts';
import type { JobRegistry } from '../jobs/registry.ts';

/** Why a run was ended from outside. `lease_lost` and `cancelled` leave nothing to report. */
export type AbortReason = 'deadline' | 'cancelled' | 'lease_lost' | 'drain';

/**
 * Runs one attempt and says what came of it. Ends at the deadline or abort even if the handler ignores its signal.
 *
 * @param signal aborted with an AbortReason
 * @returns undefined when the job is no longer ours to report on
 */
export async function executeJob(
  registry: JobRegistry,
  job: ClaimedJob,
  signal: AbortSignal,
  random: () => number = Math.random,
): Promise<Outcome | undefined> {
  const definition = registry.get(job.type);
  const retry = definition?.retry ?? DEFAULT_RETRY;
  try {
    if (!definition) throw new PermanentFailure(`This worker has no handler for ${job.type}.`);
    const parsed = definition.payload.safeParse(job.payload);
    if (!parsed.success) throw new PermanentFailure(`The payload is invalid: ${parsed.error.message}`);
    const result = await untilAborted(
      signal,
      (merged) =>
        definition.handler(parsed.data, {
          jobId: job.id,
          attempt: job.attempt,
          traceId: job.traceId,
          organizationId: job.organizationId,
          signal: merged,
        }),
      definition.timeoutSeconds,
    );
    return { status: 'completed', result: toStorableJson(result ?? null) };
  } catch (error) {
    const reason = signal.aborted ? (signal.reason as AbortReason) : undefined;
    if (reason === 'cancelled' || reason === 'lease_lost') return undefined;
    if (reason === 'drain') return { status: 'released' };
    const outcome = outcomeOfFailure(error, job.attempt, job.maxAttempts, retry, random());
    return 'error' in outcome ? { ...outcome, error: toStorable(outcome.error) } : outcome;
  }
}

async function untilAborted<T>(
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
  timeoutSeconds: number,
): Promise<T> {
  const deadline = new AbortController();
  const merged = AbortSignal.any([signal, deadline.signal]);
  const aborted = Promise.withResolvers<never>();
  merged.addEventListener(
    'abort',
    () => {
      aborted.reject(
        merged.reason instanceof Error ? merged.reason : new Error(`Aborted: ${String(merged.reason)}.`),
      );
    },
    { once: true },
  );
  const timer = setTimeout(() => {
    deadline.abort(new Error(`The handler did not end within ${timeoutSeconds} s.`));
  }, timeoutSeconds * 1000);
  try {
    merged.throwIfAborted();
    return await Promise.race([run(merged), aborted.promise]);
  } finally {
    clearTimeout(timer);
    aborted.promise.catch(() => {});
  }
}
