import type { NewJob } from '#src/domain/jobs/job.ts';

/** As a worker gets them with the job. */
export const optionsOf = ({ options }: NewJob) =>
  options && {
    timeout_seconds: options.timeoutSeconds,
    initial_delay_seconds: options.initialDelaySeconds,
    factor: options.factor,
    max_delay_seconds: options.maxDelaySeconds,
  };

/** An element of the arrays that the functions of the queue take. */
export const toElement = (job: NewJob) => ({
  type: job.type,
  payload: job.payload,
  priority: job.priority,
  run_at: job.runAt,
  unique_key: job.uniqueKey,
  max_attempts: job.maxAttempts,
  options: optionsOf(job),
});
