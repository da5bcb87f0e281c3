import { jobActionRoutes } from './job-actions.ts';
import { jobTypeRoutes } from './job-types.ts';
import { jobRoutes } from './jobs.ts';
import { queueRoutes } from './queues.ts';
import type { Routes } from './routes.ts';
import { workerRoutes } from './workers.ts';

/** Everything under /v1 (API-2). */
export const v1: Routes = (app, { queue }, done) => {
  app.register(jobRoutes, { queue });
  app.register(jobActionRoutes, { queue });
  app.register(queueRoutes, { queue });
  app.register(workerRoutes, { queue });
  app.register(jobTypeRoutes, { queue });
  done();
};
