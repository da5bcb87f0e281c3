import { DomainError } from '#src/domain/errors.ts';
import type { Job, JobRequest, Queue, Worker } from '#src/domain/jobs/job.ts';
import type { RequestContext } from '../context.ts';
import { acceptJob } from '../jobs/accept-job.ts';
import type { JobDefinition } from '../jobs/define-job.ts';
import { type JobRegistry, definitionOf } from '../jobs/registry.ts';
import type { Transactions } from '../transactions.ts';
import type { JobFilter, JobPosition, QueueStore, QueuedJob } from './ports.ts';

export interface JobPage {
  readonly jobs: Job[];
  /** Where the next page starts; undefined on the last one. */
  readonly next: JobPosition | undefined;
}

interface Dependencies {
  readonly transactions: Transactions;
  readonly store: QueueStore;
  readonly registry: JobRegistry;
}

export type QueueUseCases = ReturnType<typeof queueUseCases>;

/** What a client can do with the queue, within its organisation. */
export function queueUseCases({ transactions, store, registry }: Dependencies) {
  return {
    /** @throws DomainError `job_type_unknown`, `payload_invalid` */
    async queueJob(context: RequestContext, request: JobRequest): Promise<QueuedJob> {
      return await transactions.transaction(context, store.queueJob(acceptJob(registry, request, '')));
    },

    /** All or none. @throws DomainError `job_type_unknown`, `payload_invalid` for the first faulty job */
    async queueJobs(context: RequestContext, requests: readonly JobRequest[]): Promise<QueuedJob[]> {
      const jobs = requests.map((request, index) => acceptJob(registry, request, `/jobs/${index}`));
      return await transactions.transaction(context, store.queueJobs(jobs));
    },

    /** @throws DomainError `job_not_found` */
    async getJob(context: RequestContext, id: string): Promise<Job> {
      return found(await transactions.transaction(context, store.findJob(id)));
    },

    async listJobs(
      context: RequestContext,
      filter: JobFilter,
      after: JobPosition | undefined,
      limit: number,
    ): Promise<JobPage> {
      const jobs = await transactions.transaction(context, store.listJobs(filter, after, limit + 1));
      const page = jobs.slice(0, limit);
      const last = page.at(-1);
      return {
        jobs: page,
        next: jobs.length > limit && last ? { createdAt: last.createdAt, id: last.id } : undefined,
      };
    },

    /** @throws DomainError `job_not_found`, `job_not_cancellable` */
    async cancelJob(context: RequestContext, id: string): Promise<Job> {
      const job = found(await transactions.transaction(context, store.cancelJob(id)));
      if (job.status === 'cancelled') return job;
      throw new DomainError(
        'job_not_cancellable',
        `The job is ${job.status} already; only an unfinished job can be cancelled.`,
      );
    },

    /** @throws DomainError `job_not_found`, `job_not_retryable`, `unique_key_taken` */
    async retryJob(context: RequestContext, id: string): Promise<Job> {
      const job = found(await transactions.transaction(context, store.retryJob(id)));
      if (job.status === 'pending') return job;
      throw new DomainError(
        'job_not_retryable',
        `The job is ${job.status}; only a failed, cancelled or waiting job can be retried.`,
      );
    },

    /** Every known type, and those that other workers serve. */
    async listQueues(context: RequestContext): Promise<Queue[]> {
      const busy = await transactions.transaction(context, store.listQueues());
      const queues = new Map([...registry.keys()].map((type) => [type, emptyQueue(type)]));
      for (const queue of busy) queues.set(queue.type, queue);
      return [...queues.values()].toSorted((a, b) => (a.type < b.type ? -1 : 1));
    },

    /** Idempotent. @throws DomainError `job_type_unknown` */
    async pauseQueue(context: RequestContext, type: string): Promise<void> {
      definitionOf(registry, type, '');
      await transactions.transaction(context, store.pauseQueue(type));
    },

    /** Idempotent. @throws DomainError `job_type_unknown` */
    async resumeQueue(context: RequestContext, type: string): Promise<void> {
      definitionOf(registry, type, '');
      await transactions.transaction(context, store.resumeQueue(type));
    },

    async listWorkers(context: RequestContext): Promise<Worker[]> {
      return await transactions.transaction(context, store.listWorkers());
    },

    listJobTypes(): JobDefinition[] {
      return [...registry.values()];
    },
  };
}

function found(job: Job | undefined): Job {
  if (job) return job;
  throw new DomainError('job_not_found', 'There is no job with this id.');
}

const emptyQueue = (type: string): Queue => ({
  type,
  depth: 0,
  scheduled: 0,
  processing: 0,
  oldestAgeSeconds: null,
  paused: false,
});
