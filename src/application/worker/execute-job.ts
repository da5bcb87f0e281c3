import { PermanentFailure } from '#src/domain/jobs/failure.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import { type Outcome, outcomeOfFailure } from '#src/domain/jobs/outcome.ts';
import { storableResult } from '#src/domain/jobs/result.ts';
import { DEFAULT_RETRY } from '#src/domain/jobs/retry-policy.ts';
import { z } from 'zod';
import { Completed } from '../jobs/completed.ts';
import type { JobDefinition } from '../jobs/define-job.ts';
import { acceptFollowUps } from '../jobs/follow-ups.ts';
import type { JobPorts } from '../jobs/ports.ts';
import type { JobRegistry } from '../jobs/registry.ts';
import { Attempt, type Ending } from './attempt.ts';
import { type AbortReason, JobAborted } from './job-aborted.ts';

/** What came of one attempt. */
export interface Execution {
  /** Undefined when the job is no longer ours to report on. */
  readonly outcome: Outcome | undefined;
  /** What the handler threw, or the attempt was aborted with, for the log. */
  readonly error?: unknown;
  readonly aborted?: AbortReason | undefined;
}

export interface JobHandling {
  readonly registry: JobRegistry;
  readonly ports: JobPorts;
}

/**
 * Begins one attempt.
 *
 * @param traceparent of the attempt, for what the handler calls
 * @param onEnd called once, and never before this has returned
 */
export function executeJob(
  { registry, ports }: JobHandling,
  job: ClaimedJob,
  traceparent: string,
  onEnd: (execution: Execution) => void,
  random: () => number = Math.random,
): Attempt {
  const definition = registry.get(job.type);
  const timeoutSeconds = job.options?.timeoutSeconds ?? definition?.timeoutSeconds ?? 0;
  const attempt = new Attempt(job, traceparent, timeoutSeconds, (ending) => {
    onEnd(executionOf(ending, job, registry, random));
  });
  callHandler(definition, ports, attempt).then(attempt.returned, attempt.threw);
  return attempt;
}

/** Not an async function: its promise would be one more for every job. */
function callHandler(
  definition: JobDefinition | undefined,
  ports: JobPorts,
  attempt: Attempt,
): Promise<unknown> {
  const { type, payload } = attempt.job;
  try {
    if (!definition) throw new PermanentFailure(`This worker has no handler for ${type}.`);
    const parsed = definition.payload.safeParse(payload);
    if (!parsed.success) {
      throw new PermanentFailure(`The payload is invalid: ${z.prettifyError(parsed.error)}`);
    }
    return definition.handler(parsed.data, attempt, ports);
  } catch (error) {
    return Promise.reject(error);
  }
}

function executionOf(
  ending: Ending,
  job: ClaimedJob,
  registry: JobRegistry,
  random: () => number,
): Execution {
  if ('error' in ending) return failed(ending.error, job, registry, random);
  try {
    return { outcome: completion(ending.value, registry) };
  } catch (error) {
    return failed(error, job, registry, random);
  }
}

/** @throws PermanentFailure when what the handler returned cannot be stored */
function completion(returned: unknown, registry: JobRegistry): Outcome {
  if (!(returned instanceof Completed)) return { status: 'completed', result: storableResult(returned) };
  return {
    status: 'completed',
    result: storableResult(returned.result),
    followUps: acceptFollowUps(registry, returned.followUps),
  };
}

function failed(error: unknown, job: ClaimedJob, registry: JobRegistry, random: () => number): Execution {
  const aborted = error instanceof JobAborted ? error.reason : undefined;
  if (aborted === 'cancelled' || aborted === 'lease_lost') return { outcome: undefined, error, aborted };
  if (aborted === 'drain') return { outcome: { status: 'released' }, error, aborted };
  const retry = { ...(registry.get(job.type)?.retry ?? DEFAULT_RETRY), ...job.options };
  return {
    outcome: outcomeOfFailure(error, job.attempt, job.maxAttempts, retry, random()),
    error,
    aborted,
  };
}
