import type { Queue } from '#src/domain/jobs/job.ts';
import { z } from 'zod';
import { integer } from './response-types.ts';

export const queue = z
  .object({
    type: z.string(),
    depth: integer().describe('Jobs that could run now.'),
    scheduled: integer().describe('Jobs that wait for their time.'),
    processing: integer(),
    failed: integer().describe('Dead letters.'),
    oldest_age_seconds: z.number().nullable().describe('How long the oldest job that could run has waited.'),
    paused: z.boolean(),
  })
  .meta({ id: 'Queue' });

export const toQueue = (from: Queue): z.output<typeof queue> => ({
  type: from.type,
  depth: from.depth,
  scheduled: from.scheduled,
  processing: from.processing,
  failed: from.failed,
  oldest_age_seconds: from.oldestAgeSeconds,
  paused: from.paused,
});
