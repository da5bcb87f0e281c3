import { randomBytes, randomUUID } from 'node:crypto';
import type { QueueEvents, Report, WorkerQueue } from '#src/application/worker/ports.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { ClaimedJob, JobStatus, JsonValue } from '#src/domain/jobs/job.ts';

export interface StoredJob {
  readonly id: string;
  readonly type: string;
  readonly payload: JsonValue;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly traceId: string;
  status: JobStatus;
  attempts: number;
  runAtMs: number;
  leaseToken: string | undefined;
  error: string | undefined;
  result: JsonValue | undefined;
}

/**
 * The rules of the queue's functions in memory, for tests of a worker's timing. What the database itself does is tested
 * against PostgreSQL.
 */
export function memoryQueue() {
  const jobs: StoredJob[] = [];
  const beats: string[] = [];
  const batches: number[] = [];
  const claims: number[] = [];
  const calls: string[] = [];
  let claiming = 0;
  let mostClaimsAtOnce = 0;
  const faults: { unavailable: boolean; refuses: (report: Report) => boolean; delayMs: number } = {
    unavailable: false,
    refuses: () => false,
    delayMs: 0,
  };
  let handlers: Parameters<QueueEvents['start']>[0] | undefined;

  async function reach(call: string): Promise<void> {
    calls.push(call);
    if (faults.delayMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, faults.delayMs);
      await promise;
    }
    if (faults.unavailable) throw new DomainError('database_unavailable', 'The database is gone.');
  }

  const queue: WorkerQueue = {
    async claim(types, limit) {
      claiming += 1;
      mostClaimsAtOnce = Math.max(mostClaimsAtOnce, claiming);
      await reach('claim').finally(() => {
        claiming -= 1;
      });
      claims.push(limit);
      const claimed = jobs
        .filter(
          ({ status, type, runAtMs }) =>
            status === 'pending' && types.includes(type) && runAtMs <= Date.now(),
        )
        .toSorted((a, b) => b.priority - a.priority)
        .slice(0, limit);
      return claimed.map((job): ClaimedJob => {
        job.status = 'processing';
        job.attempts += 1;
        job.leaseToken = randomUUID();
        const { id, type, payload, maxAttempts, priority, traceId, leaseToken, attempts: attempt } = job;
        return {
          id,
          type,
          payload,
          attempt,
          maxAttempts,
          leaseToken,
          priority,
          traceId,
          organizationId: null,
        };
      });
    },

    async complete(reports) {
      await reach('complete');
      if (reports.some(faults.refuses)) throw new Error('invalid input syntax');
      batches.push(reports.length);
      return new Set(reports.filter(settle).map(({ job }) => job.id));
    },

    async beat(status, leaseTokens) {
      await reach('beat');
      beats.push(status);
      return new Set(leaseTokens.filter((token) => !jobs.some(({ leaseToken }) => leaseToken === token)));
    },
  };

  function settle({ job: { id, leaseToken }, outcome }: Report): boolean {
    const job = jobs.find((job) => job.id === id);
    if (!job || job.leaseToken !== leaseToken) return false;
    job.leaseToken = undefined;
    if ('error' in outcome) job.error = outcome.error;
    switch (outcome.status) {
      case 'completed':
        job.status = 'completed';
        job.result = outcome.result;
        break;
      case 'failed':
        job.status = 'failed';
        break;
      case 'retry':
        job.status = 'pending';
        job.runAtMs = Date.now() + outcome.backoffSeconds * 1000;
        break;
      case 'released':
        job.status = 'pending';
        job.attempts -= 1;
        handlers?.onReady();
        break;
    }
    return true;
  }

  const events: QueueEvents = {
    async start(given) {
      handlers = given;
    },
    async stop() {
      handlers = undefined;
    },
  };

  return {
    queue,
    events,
    jobs,
    /** Statuses of the beats that arrived. */
    beats,
    /** Sizes of the batches of outcomes that arrived. */
    batches,
    /** Limits of the claims that arrived. */
    claims,
    /** Every call, also those that failed. */
    calls,
    mostClaimsAtOnce: (): number => mostClaimsAtOnce,
    faults,
    /** Whether somebody listens for notifications. */
    listened: (): boolean => handlers !== undefined,
    add(
      type: string,
      job: Partial<Pick<StoredJob, 'payload' | 'priority' | 'maxAttempts'>> & { notify?: boolean } = {},
    ) {
      const { payload = null, priority = 0, maxAttempts = 5, notify = true } = job;
      const stored: StoredJob = {
        id: randomUUID(),
        type,
        payload,
        priority,
        maxAttempts,
        traceId: randomBytes(16).toString('hex'),
        status: 'pending',
        attempts: 0,
        runAtMs: Date.now(),
        leaseToken: undefined,
        error: undefined,
        result: undefined,
      };
      jobs.push(stored);
      if (notify) handlers?.onReady();
      return stored;
    },
    /** As a client does it: the lease is gone, and the worker is told. */
    cancel(job: StoredJob): void {
      job.status = 'cancelled';
      job.leaseToken = undefined;
      handlers?.onCancelled(job.id);
    },
    /** As it happens to a worker that was silent for too long. */
    takeBack(job: StoredJob): void {
      job.status = 'pending';
      job.leaseToken = undefined;
    },
  };
}
