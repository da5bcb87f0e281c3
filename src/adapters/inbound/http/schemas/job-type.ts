import type { JobDefinition } from '#src/application/jobs/define-job.ts';
import { z } from 'zod';
import { integer } from './response-types.ts';

export const jobTypeDefinition = z
  .object({
    type: z.string(),
    description: z.string(),
    payload: z.record(z.string(), z.unknown()).describe('JSON Schema, draft 2020-12.'),
    retry: z.object({
      max_attempts: integer(),
      initial_delay_seconds: z.number(),
      factor: z.number(),
      max_delay_seconds: z.number(),
    }),
    timeout_seconds: z.number().describe('Deadline of one attempt.'),
  })
  .meta({ id: 'JobType' });

export const toJobType = ({
  type,
  description,
  payload,
  retry,
  timeoutSeconds,
}: JobDefinition): z.output<typeof jobTypeDefinition> => ({
  type,
  description,
  payload: z.toJSONSchema(payload, { io: 'input', unrepresentable: 'any' }),
  retry: {
    max_attempts: retry.maxAttempts,
    initial_delay_seconds: retry.initialDelaySeconds,
    factor: retry.factor,
    max_delay_seconds: retry.maxDelaySeconds,
  },
  timeout_seconds: timeoutSeconds,
});
