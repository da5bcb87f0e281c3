import { z } from 'zod';
import { jobTypeDefinition, toJobType } from '../../schemas/job-type.ts';
import type { Routes } from './routes.ts';

export const jobTypeRoutes: Routes = (app, { queue }, done) => {
  const jobTypes = { job_types: queue.listJobTypes().map(toJobType) };
  const text = JSON.stringify(jobTypes);

  app.get(
    '/job-types',
    {
      config: { permission: 'jobs:read' },
      schema: {
        operationId: 'listJobTypes',
        summary: 'List the job types, with the schema of each payload',
        tags: ['jobs'],
        response: { 200: z.object({ job_types: z.array(jobTypeDefinition) }) },
      },
      // The same for as long as the process lives.
      serializerCompiler: () => () => text,
    },
    () => jobTypes,
  );
  done();
};
