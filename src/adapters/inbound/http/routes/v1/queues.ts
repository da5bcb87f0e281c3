import { z } from 'zod';
import { contextOf } from '../context-of.ts';
import { jobType } from '../../schemas/job.ts';
import { NO_BODY_BYTES } from '../../schemas/no-body.ts';
import { queue as queueSchema, toQueue } from '../../schemas/queue.ts';
import { integer } from '../../schemas/response-types.ts';
import type { Routes } from './routes.ts';

const SMALL_BODY_BYTES = 1024;
const params = z.strictObject({ type: jobType });
const some = z.strictObject({
  limit: z.int().min(1).max(1000).default(1000).describe('Most jobs, the oldest first.'),
});
const count = z.object({
  jobs: integer().describe('How many; fewer than the limit when no more were there.'),
});
const done204 = z.undefined().describe('Done, or so already.');

export const queueRoutes: Routes = (app, { queue }, done) => {
  app.get(
    '/queues',
    {
      config: { permission: 'queues:read' },
      schema: {
        operationId: 'listQueues',
        summary: 'List the queues, one a job type',
        tags: ['queues'],
        response: { 200: z.object({ queues: z.array(queueSchema) }) },
      },
    },
    async (request) => {
      const queues = await queue.listQueues(contextOf(request));
      return { queues: queues.map(toQueue) };
    },
  );

  app.post(
    '/queues/:type/pause',
    {
      bodyLimit: NO_BODY_BYTES,
      config: { permission: 'queues:control', refusals: ['job_type_unknown'] },
      schema: {
        operationId: 'pauseQueue',
        summary: 'Pause a queue: its jobs wait, running ones go on',
        description: 'Jobs can be queued still. Can be repeated.',
        tags: ['queues'],
        params,
        response: { 204: done204 },
      },
    },
    async (request, reply) => {
      await queue.pauseQueue(contextOf(request), request.params.type);
      return reply.code(204).send();
    },
  );

  app.post(
    '/queues/:type/resume',
    {
      bodyLimit: NO_BODY_BYTES,
      config: { permission: 'queues:control', refusals: ['job_type_unknown'] },
      schema: {
        operationId: 'resumeQueue',
        summary: 'Resume a queue',
        description: 'Can be repeated.',
        tags: ['queues'],
        params,
        response: { 204: done204 },
      },
    },
    async (request, reply) => {
      await queue.resumeQueue(contextOf(request), request.params.type);
      return reply.code(204).send();
    },
  );
  app.post(
    '/queues/:type/redrive',
    {
      bodyLimit: SMALL_BODY_BYTES,
      config: { permission: 'queues:control', refusals: ['job_type_unknown'] },
      schema: {
        operationId: 'redriveQueue',
        summary: 'Queue the dead letters of a queue again',
        description: 'With all their attempts. One whose unique key another job has stays dead.',
        tags: ['queues'],
        params,
        body: some,
        response: { 200: count },
      },
    },
    async (request) => ({
      jobs: await queue.redriveJobs(contextOf(request), request.params.type, request.body.limit),
    }),
  );

  app.post(
    '/queues/:type/purge',
    {
      bodyLimit: SMALL_BODY_BYTES,
      config: { permission: 'queues:purge', refusals: ['job_type_unknown'] },
      schema: {
        operationId: 'purgeQueue',
        summary: 'Delete the dead letters of a queue',
        description: 'With all that is known of them. What waits or runs is not touched.',
        tags: ['queues'],
        params,
        body: some,
        response: { 200: count },
      },
    },
    async (request) => ({
      jobs: await queue.purgeJobs(contextOf(request), request.params.type, request.body.limit),
    }),
  );
  done();
};
