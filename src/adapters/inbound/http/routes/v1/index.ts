import { auditRoutes } from './audit.ts';
import { jobActionRoutes } from './job-actions.ts';
import { jobTypeRoutes } from './job-types.ts';
import { jobRoutes } from './jobs.ts';
import { queueRoutes } from './queues.ts';
import type { Routes } from './routes.ts';
import { workerRoutes } from './workers.ts';

/** Everything under /v1 (API-2). */
export const v1: Routes = (app, { queue, audit }, done) => {
  const useCases = { queue, audit };
  app.register(jobRoutes, useCases);
  app.register(jobActionRoutes, useCases);
  app.register(queueRoutes, useCases);
  app.register(workerRoutes, useCases);
  app.register(jobTypeRoutes, useCases);
  app.register(auditRoutes, useCases);
  done();
};
