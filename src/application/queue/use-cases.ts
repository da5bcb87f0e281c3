import { DomainError } from '#src/domain/errors.ts';
import {
  type Job,
  type JobRequest,
  type NewJob,
  PRIORITY,
  type Queue,
  type Worker,
} from '#src/domain/jobs/job.ts';
import type { RequestContext } from '../context.ts';
import { acceptJob } from '../jobs/accept-job.ts';
import type { JobDefinition } from '../jobs/define-job.ts';
import { type JobRegistry, definitionOf } from '../jobs/registry.ts';
import type { Transactions } from '../transactions.ts';
import type { JobFilter, JobPage, QueueStore, QueuedJob } from './ports.ts';

/** What became of a request to queue a job. */
export interface QueueResult {
  readonly job: Job;
  /** False when an unfinished job with that unique key was there already. */
  readonly created: boolean;
}

interface Dependencies {
  readonly transactions: Transactions;
  readonly store: QueueStore;
  readonly registry: JobRegistry;
}

export type QueueUseCases = ReturnType<typeof queueUseCases>;

/** What a client can do with the queue, within its organisation. */
export function queueUseCases({ transactions, store, registry }: Dependencies) {
  /** What was queued is known without a look; what was there already may have changed meanwhile. */
  async function results(
    context: RequestContext,
    jobs: readonly NewJob[],
    queued: readonly QueuedJob[],
  ): Promise<QueueResult[]> {
    const there = queued.filter(({ created }) => !created).map(({ id }) => id);
    const found = new Map<string, Job>();
    if (there.length > 0) {
      for (const job of await transactions.transaction(context, store.findJobs(there)))
        found.set(job.id, job);
    }
    return queued.map((one, index) => {
      const job = jobs[index] as NewJob;
      return { created: one.created, job: found.get(one.id) ?? pending(context, job, one) };
    });
  }

  return {
    /** @throws DomainError `job_type_unknown`, `payload_invalid` */
    async queueJob(context: RequestContext, request: JobRequest): Promise<QueueResult> {
      const job = acceptJob(registry, request, '');
      const queued = await transactions.transaction(context, store.queueJob(job));
      return only(await results(context, [job], [queued]));
    },

    /** All or none. @throws DomainError `job_type_unknown`, `payload_invalid` for the first faulty job */
    async queueJobs(context: RequestContext, requests: readonly JobRequest[]): Promise<QueueResult[]> {
      const jobs = requests.map((request, index) => acceptJob(registry, request, `/jobs/${index}`));
      return await results(context, jobs, await transactions.transaction(context, store.queueJobs(jobs)));
    },

    /** @throws DomainError `job_not_found` */
    async getJob(context: RequestContext, id: string): Promise<Job> {
      return found(await transactions.transaction(context, store.findJob(id)));
    },

    async listJobs(
      context: RequestContext,
      filter: JobFilter,
      after: string | undefined,
      limit: number,
    ): Promise<JobPage> {
      return await transactions.transaction(context, store.listJobs(filter, after, limit));
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

    /** The oldest first, at most `limit`; how many. @throws DomainError `job_type_unknown` */
    async redriveJobs(context: RequestContext, type: string, limit: number): Promise<number> {
      definitionOf(registry, type, '');
      return await transactions.transaction(context, store.redriveJobs(type, limit));
    },

    /** The oldest first, at most `limit`; how many. @throws DomainError `job_type_unknown` */
    async purgeJobs(context: RequestContext, type: string, limit: number): Promise<number> {
      definitionOf(registry, type, '');
      return await transactions.transaction(context, store.purgeJobs(type, limit));
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

const pending = ({ traceId }: RequestContext, job: NewJob, { id, createdAt, runAt }: QueuedJob): Job => ({
  id,
  type: job.type,
  status: 'pending',
  priority: job.priority ?? PRIORITY.default,
  attempts: 0,
  maxAttempts: job.maxAttempts,
  createdAt,
  runAt,
  startedAt: null,
  finishedAt: null,
  lastError: null,
  result: null,
  traceId,
});

/** One asked for, one answered. */
const only = ([result]: readonly QueueResult[]): QueueResult => result as QueueResult;

function found(job: Job | undefined): Job {
  if (job) return job;
  throw new DomainError('job_not_found', 'There is no job with this id.');
}

const emptyQueue = (type: string): Queue => ({
  type,
  depth: 0,
  scheduled: 0,
  processing: 0,
  failed: 0,
  oldestAgeSeconds: null,
  paused: false,
});
