import { contextOf } from '../context-of.ts';
import { job, jobId, toJob } from '../../schemas/job.ts';
import { NO_BODY_BYTES } from '../../schemas/no-body.ts';
import type { Routes } from './routes.ts';

export const jobActionRoutes: Routes = (app, { queue }, done) => {
  app.post(
    '/jobs/:id/cancel',
    {
      bodyLimit: NO_BODY_BYTES,
      config: { permission: 'jobs:control', refusals: ['job_not_found', 'job_not_cancellable'] },
      schema: {
        operationId: 'cancelJob',
        summary: 'Cancel a pending or processing job',
        description: 'A worker that runs it is told to stop; what it has done stays done. Can be repeated.',
        tags: ['jobs'],
        params: jobId,
        response: { 200: job },
      },
    },
    async (request) => toJob(await queue.cancelJob(contextOf(request), request.params.id)),
  );

  app.post(
    '/jobs/:id/retry',
    {
      bodyLimit: NO_BODY_BYTES,
      config: {
        permission: 'jobs:control',
        refusals: ['job_not_found', 'job_not_retryable', 'unique_key_taken'],
      },
      schema: {
        operationId: 'retryJob',
        summary: 'Retry a failed or cancelled job, or run a waiting one now',
        description: 'A job that had ended gets all its attempts again.',
        tags: ['jobs'],
        params: jobId,
        response: { 200: job },
      },
    },
    async (request) => toJob(await queue.retryJob(contextOf(request), request.params.id)),
  );
  done();
};
