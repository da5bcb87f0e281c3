import { type Execution, type JobHandling, executeJob } from '#src/application/worker/execute-job.ts';
import { type AbortReason, JobAborted } from '#src/application/worker/job-aborted.ts';
import type { Tracing } from '#src/application/tracing.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import type { Logger } from 'pino';
import type { WorkerMetrics } from './metrics.ts';

interface Run {
  readonly job: ClaimedJob;
  readonly startedMs: number;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

export interface RunnerOptions {
  readonly handling: JobHandling;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly metrics: WorkerMetrics;
  readonly onEnd: (durationMs: number, job: ClaimedJob, outcome: Outcome | undefined) => void;
}

/** Runs jobs side by side; each can be aborted, and what is logged and traced of it has its trace id. */
export function createRunner({ handling, logger, tracing, metrics, onEnd }: RunnerOptions) {
  /** By lease, not by job: a job whose lease was lost may come back to this worker while its old run still ends. */
  const runs = new Map<string, Run>();

  async function run(job: ClaimedJob, startedMs: number, signal: AbortSignal): Promise<void> {
    const log = jobLogger(logger, job);
    const span = tracing.startSpan({ kind: 'consumer', name: `process ${job.type}`, traceId: job.traceId });
    log.debug('job started');
    const execution = await executeJob(handling, job, { signal, traceparent: span.traceparent });
    runs.delete(job.leaseToken);

    const durationMs = performance.now() - startedMs;
    metrics.duration.observe({ type: job.type }, durationMs / 1000);
    logEnd(log, execution, durationMs);
    const { outcome, aborted } = execution;
    const ended = outcome?.status ?? aborted ?? 'aborted';
    if (!outcome) metrics.processed.inc({ type: job.type, outcome: ended });
    span.end(spanAttributes(job, ended), ended === 'retry' || ended === 'failed');
    onEnd(durationMs, job, outcome);
  }

  return {
    size: (): number => runs.size,
    start(job: ClaimedJob): void {
      const controller = new AbortController();
      const startedMs = performance.now();
      const ended = run(job, startedMs, controller.signal);
      runs.set(job.leaseToken, { job, startedMs, controller, ended });
    },
    /** How long the oldest run has been going on; runs are kept in the order of their start. */
    oldestAgeMs(): number {
      const [oldest] = runs.values();
      return oldest ? performance.now() - oldest.startedMs : 0;
    },
    leaseTokens: (): string[] => [...runs.keys()],
    abort(reason: AbortReason, fits: (job: ClaimedJob) => boolean = () => true): void {
      for (const { job, controller } of runs.values()) {
        if (fits(job)) controller.abort(new JobAborted(reason));
      }
    },
    /** Fulfils when all that runs now has ended. */
    async idle(): Promise<void> {
      await Promise.all(Array.from(runs.values(), ({ ended }) => ended));
    },
  };
}

export const jobLogger = (logger: Logger, job: Omit<ClaimedJob, 'payload'>): Logger =>
  logger.child({ trace_id: job.traceId, job_id: job.id, job_type: job.type, attempt: job.attempt });

/** The names of OpenTelemetry's messaging conventions, where they have one. */
const spanAttributes = (job: ClaimedJob, outcome: string): Record<string, string | number> => ({
  'messaging.operation.name': 'process',
  'messaging.destination.name': job.type,
  'messaging.message.id': job.id,
  'job.attempt': job.attempt,
  'job.outcome': outcome,
});

function logEnd(log: Logger, { outcome, error, aborted }: Execution, durationMs: number): void {
  const duration_ms = Math.round(durationMs);
  switch (outcome?.status) {
    case 'completed':
      log.info({ duration_ms }, 'job completed');
      break;
    case 'retry':
      log.warn(
        { duration_ms, backoff_seconds: outcome.backoffSeconds, error },
        'job failed, will be retried',
      );
      break;
    case 'failed':
      log.error({ duration_ms, error }, 'job failed for good');
      break;
    case 'released':
    case undefined:
      if (outcome?.backoffSeconds !== undefined) {
        log.info({ backoff_seconds: outcome.backoffSeconds, error }, 'job not attempted, comes again later');
        break;
      }
      log[aborted === 'lease_lost' ? 'warn' : 'info']({ duration_ms, reason: aborted }, 'job aborted');
      break;
  }
}
