import { z } from 'zod';
import { contextOf } from '../context-of.ts';
import { jobType } from '../../schemas/job.ts';
import { NO_BODY_BYTES } from '../../schemas/no-body.ts';
import { queue as queueSchema, toQueue } from '../../schemas/queue.ts';
import type { Routes } from './routes.ts';

const params = z.strictObject({ type: jobType });
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
      config: { permission: 'queues:write', refusals: ['job_type_unknown'] },
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
      config: { permission: 'queues:write', refusals: ['job_type_unknown'] },
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
  done();
};
