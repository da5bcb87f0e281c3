import { randomBytes, randomUUID } from 'node:crypto';
import type {
  QueueEventHandlers,
  QueueEvents,
  Report,
  WorkerCommand,
  WorkerQueue,
} from '#src/application/worker/ports.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';

type Call = keyof WorkerQueue;

/** What a call fails with while the database is away. */
export const away = (): Error => new DomainError('database_unavailable', 'The database is gone.');

/** A queue without rules: a claim brings what the test offers, in that order, and everything else is written down. */
export function scriptedQueue() {
  const offered: ClaimedJob[] = [];
  const outcomes = new Map<string, Outcome>();
  const lost = new Set<string>();
  const calls: Call[] = [];
  const claims: number[] = [];
  const batches: number[] = [];
  const beats: string[] = [];
  const named: string[][] = [];
  const script: {
    fail: (call: Call, reports: readonly Report[]) => Error | undefined;
    answerAfterMs: number;
    /** Most jobs that a claim brings, whatever it asks for. */
    claimAtMost: number;
    /** What each beat brings. */
    command: WorkerCommand;
    /** Called when the worker has said whether it is idle. */
    onIdle: (idle: boolean) => void;
    onClaimed: (job: ClaimedJob) => void;
    onReported: (report: Report) => void;
  } = {
    fail: () => undefined,
    answerAfterMs: 0,
    claimAtMost: Infinity,
    command: 'run',
    onIdle: () => {},
    onClaimed: () => {},
    onReported: () => {},
  };
  let claiming = 0;
  let mostClaimsAtOnce = 0;
  let handlers: QueueEventHandlers | undefined;
  const idle: boolean[] = [];

  async function answer(call: Call, reports: readonly Report[] = []): Promise<void> {
    calls.push(call);
    if (script.answerAfterMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, script.answerAfterMs);
      await promise;
    }
    const error = script.fail(call, reports);
    if (error) throw error;
  }

  const queue: WorkerQueue = {
    async claim(_types, limit) {
      mostClaimsAtOnce = Math.max(mostClaimsAtOnce, (claiming += 1));
      await answer('claim').finally(() => (claiming -= 1));
      claims.push(limit);
      const claimed = offered.splice(0, Math.min(limit, script.claimAtMost));
      claimed.forEach(script.onClaimed);
      return claimed;
    },
    async complete(reports) {
      await answer('complete', reports);
      batches.push(reports.length);
      const stored = reports.filter(({ job }) => !lost.has(job.leaseToken));
      for (const { job, outcome } of stored) outcomes.set(job.id, outcome);
      reports.forEach(script.onReported);
      return new Set(reports.map(({ job }) => job.leaseToken).filter((token) => lost.has(token)));
    },
    async beat(status, leases) {
      const { command } = script;
      await answer('beat');
      beats.push(status);
      const tokens = leases.map(({ leaseToken }) => leaseToken);
      named.push(tokens);
      return { lost: new Set(tokens.filter((token) => lost.has(token))), command };
    },
  };

  const events: QueueEvents = {
    start: (given) => (handlers = given),
    setIdle(now) {
      idle.push(now);
      script.onIdle(now);
    },
    stop: () => (handlers = undefined),
  };

  return {
    queue,
    events,
    script,
    /** Every call, also those that failed. */
    calls,
    /** Limits of the claims that were answered. */
    claims,
    /** Sizes of the batches of outcomes that were stored. */
    batches,
    /** Statuses of the beats that arrived. */
    beats,
    /** Leases that each of them named. */
    named,
    mostClaimsAtOnce: (): number => mostClaimsAtOnce,
    /** What the worker said of itself, one after the other. */
    idle,
    /** Whether somebody listens for notifications. */
    listened: (): boolean => handlers !== undefined,
    /** What the next claims bring; the worker is told, unless `notify` is false. */
    offer(
      type: string,
      { notify = true, ...job }: Partial<ClaimedJob> & { notify?: boolean } = {},
    ): ClaimedJob {
      const offer: ClaimedJob = {
        id: randomUUID(),
        type,
        payload: null,
        priority: 0,
        attempt: 1,
        maxAttempts: 5,
        leaseToken: randomUUID(),
        traceId: randomBytes(16).toString('hex'),
        organizationId: null,
        options: null,
        ...job,
      };
      offered.push(offer);
      if (notify) handlers?.onReady(type);
      return offer;
    },
    outcomeOf: ({ id }: ClaimedJob): Outcome | undefined => outcomes.get(id),
    /** `offered`, `claimed`, or how its outcome was reported. */
    stateOf: (job: ClaimedJob): string =>
      outcomes.get(job.id)?.status ?? (offered.includes(job) ? 'offered' : 'claimed'),
    /** From now on the worker's lease of it is worth nothing. */
    takeBack: ({ leaseToken }: ClaimedJob) => lost.add(leaseToken),
    /** As when a client cancels the attempt. */
    cancel({ leaseToken }: ClaimedJob): void {
      lost.add(leaseToken);
      handlers?.onCancelled(leaseToken);
    },
    /** As when the database notifies the worker. */
    tell: (): QueueEventHandlers => {
      if (!handlers) throw new Error('Nobody listens.');
      return handlers;
    },
  };
}
