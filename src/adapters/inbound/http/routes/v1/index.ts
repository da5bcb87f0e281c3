import { apiKeyRoutes } from './api-keys.ts';
import { auditRoutes } from './audit.ts';
import { jobActionRoutes } from './job-actions.ts';
import { jobTypeRoutes } from './job-types.ts';
import { jobRoutes } from './jobs.ts';
import { meRoutes } from './me.ts';
import { queueRoutes } from './queues.ts';
import type { Routes } from './routes.ts';
import { workerRoutes } from './workers.ts';

/** Everything under /v1 (API-2). */
export const v1: Routes = (app, { queue, apiKeys, audit }, done) => {
  const useCases = { queue, apiKeys, audit };
  app.register(jobRoutes, useCases);
  app.register(jobActionRoutes, useCases);
  app.register(queueRoutes, useCases);
  app.register(workerRoutes, useCases);
  app.register(jobTypeRoutes, useCases);
  app.register(apiKeyRoutes, useCases);
  app.register(meRoutes, useCases);
  app.register(auditRoutes, useCases);
  done();
};
