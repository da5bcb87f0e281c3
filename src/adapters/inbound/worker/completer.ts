import { Contended, type Report, type WorkerQueue } from '#src/application/worker/ports.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import { type Backoff, backoffSeconds } from '#src/domain/jobs/retry-policy.ts';
import { type DatabaseTrouble, isUnavailable, retryDelayMs } from './database-trouble.ts';
import { createWakeUp, pause, unlessAborted } from './pause.ts';

/** One statement that the database handles in a few milliseconds. */
const MAX_BATCH = 200;
/** How long a report steps back that another session is in the way of: a try of it may take as long as a statement may. */
const STEP_BACK: Backoff = { initialDelaySeconds: 1, factor: 2, maxDelaySeconds: 30 };

/** Takes the place of an outcome that the database does not store. */
const UNSTORABLE: Outcome = {
  status: 'failed',
  error: 'The job ran, but the database refused to store its outcome.',
};

interface Pending {
  readonly report: Report;
  /** Was in a batch that was not stored, and is perhaps the reason: it goes by itself. */
  readonly alone: boolean;
  /** How often another session was in its way; it is not tried before `dueMs` again. */
  readonly contended: number;
  readonly dueMs: number;
}

const fresh = (report: Report): Pending => ({ report, alone: false, contended: 0, dueMs: 0 });
const goAlone = (one: Pending): Pending => ({ ...one, alone: true });

export interface CompleterOptions {
  readonly complete: WorkerQueue['complete'];
  readonly trouble: DatabaseTrouble;
  /** @param stored false when the lease was lost before; `retried` when an earlier try may have been the one that counted */
  readonly onSettled: (report: Report, stored: boolean, retried: boolean) => void;
  /** Even its replacement was refused: nothing is reported of the job. */
  readonly onDropped: (report: Report, error: unknown) => void;
}

/**
 * Reports outcomes in batches, one at a time: a batch is what came while the last one was on its way. While the database
 * is unavailable everything is kept. After any other failure the batch goes row by row, so that one outcome that is
 * refused, or that another session is in the way of, does not block the others.
 */
export function createCompleter({ complete, trouble, onSettled, onDropped }: CompleterOptions) {
  let pending: Pending[] = [];
  const closing = new AbortController();
  const arrival = createWakeUp();
  let failures = 0;
  let flushing: Promise<void> | undefined;

  async function flush(): Promise<void> {
    // What ends in the same turn of the event loop is reported together.
    const nextTurn = Promise.withResolvers<void>();
    setImmediate(nextTurn.resolve);
    await nextTurn.promise;
    while (pending.length > 0 && !closing.signal.aborted) {
      const batch = nextBatch(performance.now());
      if (batch.length > 0) await send(batch);
      else await arrival.wait(Math.min(...pending.map(({ dueMs }) => dueMs)) - performance.now());
    }
    flushing = undefined;
  }

  function nextBatch(nowMs: number): Pending[] {
    const due = pending.filter(({ dueMs }) => dueMs <= nowMs);
    return due[0]?.alone ? due.slice(0, 1) : due.filter(({ alone }) => !alone).slice(0, MAX_BATCH);
  }

  async function send(batch: readonly Pending[]): Promise<void> {
    try {
      const stored = await complete(batch.map(({ report }) => report));
      trouble.worked('complete');
      const retried = failures > 0;
      failures = 0;
      replace(batch, []);
      for (const { report } of batch) onSettled(report, stored.has(report.job.id), retried);
    } catch (error) {
      trouble.failed('complete', error);
      if (isUnavailable(error)) {
        failures += 1;
        await pause(retryDelayMs(failures), closing.signal);
      } else if (batch.length > 1) replace(batch, batch.map(goAlone));
      else
        replace(
          batch,
          batch.flatMap((one) => notStored(one, error)),
        );
    }
  }

  /** What comes after a report that a statement of its own did not store. */
  function notStored({ report, contended }: Pending, error: unknown): Pending[] {
    if (error instanceof Contended) {
      const waitMs = backoffSeconds(STEP_BACK, contended + 1, Math.random()) * 1000;
      return [{ report, alone: true, contended: contended + 1, dueMs: performance.now() + waitMs }];
    }
    if (report.outcome !== UNSTORABLE) return [goAlone(fresh({ job: report.job, outcome: UNSTORABLE }))];
    onDropped(report, error);
    return [];
  }

  /** At the back, so that the others go first. */
  function replace(batch: readonly Pending[], by: readonly Pending[]): void {
    const gone = new Set(batch);
    pending = [...pending.filter((one) => !gone.has(one)), ...by];
  }

  return {
    size: (): number => pending.length,
    leaseTokens: (): string[] => pending.map(({ report }) => report.job.leaseToken),
    add(reports: readonly Report[]): void {
      pending.push(...reports.map(fresh));
      arrival.wake();
      flushing ??= flush();
    },
    /**
     * Fulfils when all is reported or the signal is aborted.
     *
     * @returns how many outcomes were not reported
     */
    async close(signal: AbortSignal): Promise<number> {
      await unlessAborted(signal, flushing);
      closing.abort();
      arrival.wake();
      return pending.length;
    },
  };
}
