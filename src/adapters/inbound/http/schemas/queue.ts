import type { Queue } from '#src/domain/jobs/job.ts';
import { z } from 'zod';
import { integer } from './response-types.ts';

export const queue = z
  .object({
    type: z.string(),
    depth: integer().describe('Jobs that could run now.'),
    scheduled: integer().describe('Jobs that wait for their time.'),
    processing: integer(),
    oldest_age_seconds: z.number().nullable().describe('How long the oldest job that could run has waited.'),
    paused: z.boolean(),
  })
  .meta({ id: 'Queue' });

export const toQueue = (
  { type, depth, scheduled, processing, oldestAt, paused }: Queue,
  now: number,
): z.output<typeof queue> => ({
  type,
  depth,
  scheduled,
  processing,
  // The database's clock may be a little ahead of this one.
  oldest_age_seconds: oldestAt === null ? null : Math.max(0, (now - Date.parse(oldestAt)) / 1000),
  paused,
});
