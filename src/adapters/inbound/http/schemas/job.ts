import {
  JOB_STATUSES,
  type Job,
  type JobOptions,
  type JobRequest,
  type JsonValue,
  PRIORITY,
} from '#src/domain/jobs/job.ts';
import { z } from 'zod';
import { formatted, integer } from './response-types.ts';
import { text } from './text.ts';
import { timestamp } from './timestamp.ts';

export const jobType = text(100).meta({
  description: 'One of GET /v1/job-types.',
  examples: ['webhook.deliver'],
});
export const jobStatus = z.enum(JOB_STATUSES);
export const jobId = z.strictObject({
  id: z.uuid().meta({ description: 'Of the job.', examples: ['019c1222-7c00-7d3b-9a54-3f1c6a2e8b90'] }),
});

export const newJob = z.strictObject({
  type: jobType,
  payload: z
    .unknown()
    .refine((payload) => payload !== undefined, 'Required.')
    .describe('As the schema of the type says, see GET /v1/job-types.'),
  priority: z.int().min(PRIORITY.least).max(PRIORITY.most).optional().describe('Higher is more urgent.'),
  run_at: timestamp.optional().describe('Not before this time.'),
  unique_key: text(200).optional().describe('At most one unfinished job of the type has it.'),
  max_attempts: z.int().min(1).max(100).optional().describe('Otherwise as the type says.'),
  timeout_seconds: z
    .number()
    .min(0.1)
    .max(86_400)
    .optional()
    .describe('Deadline of one attempt; otherwise as the type says.'),
  backoff: z
    .strictObject({
      initial_delay_seconds: z.number().min(0).max(86_400).optional(),
      factor: z.number().min(1).max(10).optional(),
      max_delay_seconds: z.number().min(0).max(604_800).optional(),
    })
    .optional()
    .describe('How long a failed attempt waits; what is left out is as the type says.'),
});

/** @returns what the client asked for; that JSON was parsed makes the payload a JSON value */
export const toJobRequest = (body: z.output<typeof newJob>): JobRequest => ({
  type: body.type,
  payload: body.payload as JsonValue,
  priority: body.priority,
  runAt: body.run_at,
  uniqueKey: body.unique_key,
  maxAttempts: body.max_attempts,
  options: toOptions(body),
});

function toOptions({ timeout_seconds, backoff }: z.output<typeof newJob>): JobOptions | undefined {
  if (timeout_seconds === undefined && backoff === undefined) return undefined;
  return {
    ...(timeout_seconds !== undefined && { timeoutSeconds: timeout_seconds }),
    ...(backoff?.initial_delay_seconds !== undefined && {
      initialDelaySeconds: backoff.initial_delay_seconds,
    }),
    ...(backoff?.factor !== undefined && { factor: backoff.factor }),
    ...(backoff?.max_delay_seconds !== undefined && { maxDelaySeconds: backoff.max_delay_seconds }),
  };
}

export const job = z
  .object({
    id: formatted('uuid'),
    type: z.string(),
    status: jobStatus,
    priority: integer(),
    attempts: integer(),
    max_attempts: integer(),
    created_at: formatted('date-time'),
    run_at: formatted('date-time'),
    started_at: formatted('date-time').nullable(),
    finished_at: formatted('date-time').nullable(),
    last_error: z.string().nullable(),
    result: z.unknown().describe('What the handler returned.'),
    trace_id: z.string(),
  })
  .meta({ id: 'Job' });

export const toJob = (from: Job): z.output<typeof job> => ({
  id: from.id,
  type: from.type,
  status: from.status,
  priority: from.priority,
  attempts: from.attempts,
  max_attempts: from.maxAttempts,
  created_at: from.createdAt,
  run_at: from.runAt,
  started_at: from.startedAt,
  finished_at: from.finishedAt,
  last_error: from.lastError,
  result: from.result,
  trace_id: from.traceId,
});
