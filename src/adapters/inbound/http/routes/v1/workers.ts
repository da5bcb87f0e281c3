import { z } from 'zod';
import { contextOf } from '../context-of.ts';
import { toWorker, worker } from '../../schemas/worker.ts';
import type { Routes } from './routes.ts';

export const workerRoutes: Routes = (app, { queue }, done) => {
  app.get(
    '/workers',
    {
      config: { permission: 'workers:read' },
      schema: {
        operationId: 'listWorkers',
        summary: 'List the workers',
        tags: ['workers'],
        response: { 200: z.object({ workers: z.array(worker) }) },
      },
    },
    async (request) => {
      const workers = await queue.listWorkers(contextOf(request));
      return { workers: workers.map(toWorker) };
    },
  );
  done();
};
