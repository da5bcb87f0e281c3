import { PermanentFailure } from '#src/domain/jobs/failure.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import { type Outcome, outcomeOfFailure } from '#src/domain/jobs/outcome.ts';
import { storableResult } from '#src/domain/jobs/result.ts';
import { DEFAULT_RETRY } from '#src/domain/jobs/retry-policy.ts';
import { z } from 'zod';
import type { JobContext, JobDefinition } from '../jobs/define-job.ts';
import type { JobPorts } from '../jobs/ports.ts';
import type { JobRegistry } from '../jobs/registry.ts';
import { type AbortReason, JobAborted } from './job-aborted.ts';

/** How one attempt ended. */
export interface Execution {
  /** Undefined when the job is no longer ours to report on. */
  readonly outcome: Outcome | undefined;
  /** What the handler threw, for the log. */
  readonly error?: unknown;
  readonly aborted?: AbortReason | undefined;
}

export interface JobHandling {
  readonly registry: JobRegistry;
  readonly ports: JobPorts;
}

/**
 * Runs one attempt and says what came of it. Ends at the deadline or when aborted even if the handler ignores its
 * signal; what such a handler does later is its own affair, its outcome is not. Never rejects.
 *
 * @param signal aborted with a JobAborted
 * @param traceparent of the attempt, for what the handler calls
 */
export async function executeJob(
  { registry, ports }: JobHandling,
  job: ClaimedJob,
  { signal, traceparent }: Pick<JobContext, 'signal' | 'traceparent'>,
  random: () => number = Math.random,
): Promise<Execution> {
  const definition = registry.get(job.type);
  try {
    if (!definition) throw new PermanentFailure(`This worker has no handler for ${job.type}.`);
    const result = storableResult(await handle(definition, ports, job, { signal, traceparent }));
    return { outcome: { status: 'completed', result } };
  } catch (error) {
    const aborted = signal.reason instanceof JobAborted ? signal.reason.reason : undefined;
    if (aborted === 'cancelled' || aborted === 'lease_lost') return { outcome: undefined, error, aborted };
    if (aborted === 'drain') return { outcome: { status: 'released' }, error, aborted };
    const retry = definition?.retry ?? DEFAULT_RETRY;
    return {
      outcome: outcomeOfFailure(error, job.attempt, job.maxAttempts, retry, random()),
      error,
      aborted,
    };
  }
}

async function handle(
  definition: JobDefinition,
  ports: JobPorts,
  job: ClaimedJob,
  { signal, traceparent }: Pick<JobContext, 'signal' | 'traceparent'>,
): Promise<unknown> {
  const payload = definition.payload.safeParse(job.payload);
  if (!payload.success) {
    throw new PermanentFailure(`The payload is invalid: ${z.prettifyError(payload.error)}`);
  }
  const { id: jobId, attempt, traceId, organizationId } = job;
  const about = { jobId, attempt, traceId, traceparent, organizationId };
  return await withDeadline(
    signal,
    definition.timeoutSeconds,
    async (signal) => await definition.handler(payload.data, { ...about, signal }, ports),
  );
}

async function withDeadline<T>(
  outer: AbortSignal,
  seconds: number,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const signal = AbortSignal.any([outer, deadline.signal]);
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  signal.addEventListener(
    'abort',
    () => {
      aborted.reject(signal.reason);
    },
    { once: true },
  );
  const timer = setTimeout(() => {
    deadline.abort(new Error(`The handler did not end within ${seconds} s.`));
  }, seconds * 1000);
  try {
    // The race also takes the late rejection of whichever comes second: neither becomes an unhandled one.
    return await Promise.race([aborted.promise, run(signal)]);
  } finally {
    clearTimeout(timer);
  }
}
