import { z } from 'zod';
import { defineJob } from './define-job.ts';

/** What a smoke test queues in production: it touches nothing, and shows that a worker took the job and reported it. */
export const smokeEcho = defineJob({
  type: 'smoke.echo',
  description: 'Does nothing and returns its payload: the job of a smoke test.',
  payload: z.strictObject({ message: z.string().max(200) }),
  retry: { maxAttempts: 3, initialDelaySeconds: 1, factor: 2, maxDelaySeconds: 10 },
  timeoutSeconds: 10,
  handler: async ({ message }) => await Promise.resolve({ message }),
});
