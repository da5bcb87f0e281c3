import type { Attempt } from '#src/application/worker/attempt.ts';
import { type Execution, type JobHandling, executeJob } from '#src/application/worker/execute-job.ts';
import { type AbortReason, JobAborted } from '#src/application/worker/job-aborted.ts';
import type { Span, Tracing } from '#src/application/tracing.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import type { Logger } from 'pino';
import { logFields } from './log-fields.ts';
import type { WorkerMetrics } from './metrics.ts';

/** One timer looks after all deadlines, so a deadline is kept to this much. */
const DEADLINE_CHECK_MS = 100;

export interface RunnerOptions {
  readonly handling: JobHandling;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly metrics: WorkerMetrics;
  readonly onEnd: (durationMs: number, job: ClaimedJob, outcome: Outcome | undefined) => void;
}

/** Runs jobs side by side; each can be aborted, and what is logged and traced of it has its trace id. */
export function createRunner({ handling, logger, tracing, metrics, onEnd }: RunnerOptions) {
  /** In the order of their start. */
  const running = new Set<Attempt>();
  let deadlineCheck: NodeJS.Timeout | undefined;
  let idle = Promise.withResolvers<void>();

  function start(job: ClaimedJob): void {
    const span = tracing.startSpan({ kind: 'consumer', name: `process ${job.type}`, traceId: job.traceId });
    if (logger.isLevelEnabled('debug')) logger.debug(logFields(job), 'job started');
    const attempt = executeJob(handling, job, span.traceparent, (execution) => {
      ended(attempt, span, execution);
    });
    running.add(attempt);
    deadlineCheck ??= setTimeout(checkDeadlines, DEADLINE_CHECK_MS);
  }

  function checkDeadlines(): void {
    const nowMs = performance.now();
    for (const attempt of running) attempt.checkDeadline(nowMs);
    deadlineCheck = running.size > 0 ? setTimeout(checkDeadlines, DEADLINE_CHECK_MS) : undefined;
  }

  function ended(attempt: Attempt, span: Span, execution: Execution): void {
    running.delete(attempt);
    const { job } = attempt;
    const { outcome, aborted } = execution;
    const durationMs = performance.now() - attempt.startedMs;
    metrics.duration.observe({ type: job.type }, durationMs / 1000);
    logEnd(logger, job, execution, durationMs);
    const became = outcome?.status ?? aborted ?? 'aborted';
    if (!outcome) metrics.processed.inc({ type: job.type, outcome: became });
    span.end(spanAttributes(job, became), became === 'retry' || became === 'failed');
    onEnd(durationMs, job, outcome);
    if (running.size === 0) idle.resolve();
  }

  return {
    start,
    size: (): number => running.size,
    /** How long the oldest run has been going on. */
    oldestAgeMs(): number {
      const [oldest] = running;
      return oldest ? performance.now() - oldest.startedMs : 0;
    },
    jobs: (): ClaimedJob[] => Array.from(running, ({ job }) => job),
    abort(reason: AbortReason, fits: (job: ClaimedJob) => boolean = () => true): void {
      for (const attempt of running) if (fits(attempt.job)) attempt.abort(new JobAborted(reason));
    },
    /** Fulfils when nothing runs; nothing is started any more. */
    async idle(): Promise<void> {
      idle = Promise.withResolvers();
      if (running.size > 0) await idle.promise;
      clearTimeout(deadlineCheck);
    },
  };
}

/** The names of OpenTelemetry's messaging conventions, where they have one. */
const spanAttributes = (job: ClaimedJob, outcome: string): Record<string, string | number> => ({
  'messaging.operation.name': 'process',
  'messaging.destination.name': job.type,
  'messaging.message.id': job.id,
  'job.attempt': job.attempt,
  'job.outcome': outcome,
});

function logEnd(
  logger: Logger,
  job: ClaimedJob,
  { outcome, error, aborted }: Execution,
  durationMs: number,
): void {
  const fields = logFields(job, durationMs);
  switch (outcome?.status) {
    case 'completed':
      logger.info(fields, 'job completed');
      break;
    case 'retry':
      logger.warn(
        { ...fields, backoff_seconds: outcome.backoffSeconds, error },
        'job failed, will be retried',
      );
      break;
    case 'failed':
      logger.error({ ...fields, error }, 'job failed for good');
      break;
    case 'released':
    case undefined:
      if (outcome?.backoffSeconds !== undefined) {
        logger.info(
          { ...logFields(job), backoff_seconds: outcome.backoffSeconds, error },
          'job not attempted, comes again later',
        );
        break;
      }
      logger[aborted === 'lease_lost' ? 'warn' : 'info']({ ...fields, reason: aborted }, 'job aborted');
      break;
  }
}
