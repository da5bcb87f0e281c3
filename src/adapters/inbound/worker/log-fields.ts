import type { ReportedJob } from '#src/application/worker/ports.ts';

/**
 * What every line about a job says of it, and how long its run took. Not a logger of its own: to make one costs as much as
 * a line.
 */
export const logFields = (job: ReportedJob, durationMs?: number) => ({
  trace_id: job.traceId,
  job_id: job.id,
  job_type: job.type,
  attempt: job.attempt,
  duration_ms: durationMs === undefined ? undefined : Math.round(durationMs),
});
