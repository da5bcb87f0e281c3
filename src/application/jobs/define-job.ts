import type { JsonValue } from '#src/domain/jobs/job.ts';
import type { RetryPolicy } from '#src/domain/jobs/retry-policy.ts';
import type { z } from 'zod';
import type { Completed } from './completed.ts';
import type { JobPorts } from './ports.ts';

/** What a handler knows about its run, besides the payload. */
export interface JobContext {
  readonly jobId: string;
  /** From 1. */
  readonly attempt: number;
  readonly traceId: string;
  /** What calls of this attempt carry, so that they continue its trace. */
  readonly traceparent: string;
  readonly organizationId: string | null;
  /** Aborted at the deadline (at most 0.1 s later), when the job was cancelled, and when the lease is lost. Pass it on to whatever waits. */
  readonly signal: AbortSignal;
}

export interface JobDefinition<Payload = unknown> {
  /** `<noun>.<verb>`, the name of the queue and of the file. */
  readonly type: string;
  readonly description: string;
  readonly payload: z.ZodType<Payload>;
  readonly retry: RetryPolicy;
  /** Deadline of one attempt; a job may have its own. */
  readonly timeoutSeconds: number;
  /**
   * Runs at least once a job: make it idempotent. What it returns is kept as the job's result; with `completed` it also
   * queues other jobs. What it throws is tried again by the retry policy, but for `PermanentFailure` and `NotAttempted`.
   */
  handler(payload: Payload, context: JobContext, ports: JobPorts): Promise<JsonValue | Completed>;
}

/** Ties the handler's payload to the schema; the registry then holds definitions of any payload. */
export function defineJob<Payload>(definition: JobDefinition<Payload>): JobDefinition {
  return definition;
}
