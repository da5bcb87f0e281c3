import type { Worker } from '#src/domain/jobs/job.ts';
import { z } from 'zod';
import { formatted } from './response-types.ts';

export const worker = z
  .object({
    id: z.string(),
    type: z.string(),
    status: z.enum(['running', 'stopped', 'error']),
    alive: z
      .boolean()
      .describe('Whether it has beaten lately; the jobs of a dead worker return to the queue.'),
    started_at: formatted('date-time'),
    last_seen_at: formatted('date-time'),
  })
  .meta({ id: 'Worker' });

export const toWorker = (from: Worker): z.output<typeof worker> => ({
  id: from.id,
  type: from.type,
  status: from.status,
  alive: from.alive,
  started_at: from.startedAt,
  last_seen_at: from.lastSeenAt,
});
