import { z } from 'zod';
import { contextOf } from '../context-of.ts';
import { decodeCursor, encodeCursor } from '../../schemas/cursor.ts';
import { job, jobId, jobStatus, jobType, newJob, toJob, toJobRequest } from '../../schemas/job.ts';
import { timestamp } from '../../schemas/timestamp.ts';
import type { Routes } from './routes.ts';

const KIB = 1024;
const ONE_JOB_BYTES = 256 * KIB;
const BATCH_BYTES = 4096 * KIB;

const batch = z.strictObject({ jobs: z.array(newJob).min(1).max(1000) });

const listQuery = z.strictObject({
  type: jobType.optional(),
  status: jobStatus.optional().meta({ description: 'Only jobs that are this now.', examples: ['failed'] }),
  created_from: timestamp
    .optional()
    .meta({ description: 'Created at this time or later.', examples: ['2026-01-31T00:00:00Z'] }),
  created_before: timestamp
    .optional()
    .meta({ description: 'Created before this time.', examples: ['2026-02-01T00:00:00Z'] }),
  limit: z.coerce
    .number<string>()
    .int()
    .min(1)
    .max(100)
    .default(50)
    .meta({ description: 'Most jobs of a page.', examples: [20] }),
  cursor: z
    .string()
    .max(200)
    .optional()
    .meta({
      description: '`next_cursor` of the page before.',
      examples: [encodeCursor('019c1222-7c00-7d3b-9a54-3f1c6a2e8b90')],
    }),
});

const page = z.object({
  jobs: z.array(job),
  next_cursor: z.string().nullable().describe('Null on the last page.'),
});

export const jobRoutes: Routes = (app, { queue }, done) => {
  app.post(
    '/jobs',
    {
      bodyLimit: ONE_JOB_BYTES,
      config: { permission: 'jobs:queue', refusals: ['job_type_unknown', 'payload_invalid'] },
      schema: {
        operationId: 'queueJob',
        summary: 'Queue a job',
        description: '200 with the job that is there when an unfinished one has the unique key.',
        tags: ['jobs'],
        body: newJob,
        response: { 200: job, 201: job },
      },
    },
    async (request, reply) => {
      const { created, job: queued } = await queue.queueJob(contextOf(request), toJobRequest(request.body));
      return reply
        .code(created ? 201 : 200)
        .header('location', `/v1/jobs/${queued.id}`)
        .send(toJob(queued));
    },
  );

  app.post(
    '/jobs/batch',
    {
      bodyLimit: BATCH_BYTES,
      config: { permission: 'jobs:queue', refusals: ['job_type_unknown', 'payload_invalid'] },
      schema: {
        operationId: 'queueJobs',
        summary: 'Queue up to 1,000 jobs, all or none',
        description:
          'In the order given; a job that was there already, by its unique key, in the place of a new one.',
        tags: ['jobs'],
        body: batch,
        response: { 201: z.object({ jobs: z.array(job) }) },
      },
    },
    async (request, reply) => {
      const queued = await queue.queueJobs(contextOf(request), request.body.jobs.map(toJobRequest));
      return reply.code(201).send({ jobs: queued.map((one) => toJob(one.job)) });
    },
  );

  app.get(
    '/jobs',
    {
      config: { permission: 'jobs:read', refusals: ['cursor_invalid'] },
      schema: {
        operationId: 'listJobs',
        summary: 'List jobs, newest first',
        description:
          'Pass `next_cursor` as `cursor` for the next page, until it is null; jobs that are queued meanwhile do not move it. A page may hold fewer jobs than the limit, or none, while what is asked for is rare.',
        tags: ['jobs'],
        querystring: listQuery,
        response: { 200: page },
      },
    },
    async (request) => {
      const { type, status, created_from, created_before, limit, cursor } = request.query;
      const { jobs, next } = await queue.listJobs(
        contextOf(request),
        { type, status, createdFrom: created_from, createdBefore: created_before },
        cursor === undefined ? undefined : decodeCursor(cursor, z.uuid()),
        limit,
      );
      return { jobs: jobs.map(toJob), next_cursor: next === undefined ? null : encodeCursor(next) };
    },
  );

  app.get(
    '/jobs/:id',
    {
      config: { permission: 'jobs:read', refusals: ['job_not_found'] },
      schema: {
        operationId: 'getJob',
        summary: 'Get a job',
        tags: ['jobs'],
        params: jobId,
        response: { 200: job },
      },
    },
    async (request) => toJob(await queue.getJob(contextOf(request), request.params.id)),
  );
  done();
};
