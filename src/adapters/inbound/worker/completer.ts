import type { Report, WorkerQueue } from '#src/application/worker/ports.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import { type DatabaseTrouble, isUnavailable, retryDelayMs } from './database-trouble.ts';
import { pause } from './pause.ts';

/** One statement that the database handles in a few milliseconds. */
const MAX_BATCH = 500;

/** Takes the place of an outcome that the database does not store. */
const UNSTORABLE: Outcome = {
  status: 'failed',
  error: 'The job ran, but the database refused to store its outcome.',
};

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
 * is unavailable everything is kept. After any other failure the batch goes row by row, so that one bad outcome does not
 * block the others.
 */
export function createCompleter({ complete, trouble, onSettled, onDropped }: CompleterOptions) {
  const pending: Report[] = [];
  const closing = new AbortController();
  let oneByOne = 0;
  let failures = 0;
  let flushing: Promise<void> | undefined;

  async function flush(): Promise<void> {
    // What ends in the same turn of the event loop is reported together.
    const nextTurn = Promise.withResolvers<void>();
    setImmediate(nextTurn.resolve);
    await nextTurn.promise;
    while (pending.length > 0 && !closing.signal.aborted) {
      const batch = pending.slice(0, oneByOne > 0 ? 1 : MAX_BATCH);
      const stored = await send(batch);
      if (!stored) continue;
      const retried = failures > 0;
      failures = 0;
      remove(batch.length);
      for (const report of batch) onSettled(report, stored.has(report.job.id), retried);
    }
    flushing = undefined;
  }

  /** Undefined when there is another try to make. */
  async function send(batch: readonly Report[]): Promise<ReadonlySet<string> | undefined> {
    try {
      const stored = await complete(batch);
      trouble.worked();
      return stored;
    } catch (error) {
      trouble.failed('complete', error);
      if (isUnavailable(error)) {
        failures += 1;
        await pause(retryDelayMs(failures), closing.signal);
      } else if (batch.length > 1) oneByOne = batch.length;
      else replaceFirst(error);
      return undefined;
    }
  }

  function replaceFirst(error: unknown): void {
    const [report] = pending;
    if (!report) return;
    if (report.outcome === UNSTORABLE) {
      remove(1);
      onDropped(report, error);
    } else pending[0] = { job: report.job, outcome: UNSTORABLE };
  }

  function remove(count: number): void {
    pending.splice(0, count);
    oneByOne = Math.max(oneByOne - count, 0);
  }

  return {
    size: (): number => pending.length,
    leaseTokens: (): string[] => pending.map(({ job }) => job.leaseToken),
    add(reports: readonly Report[]): void {
      pending.push(...reports);
      flushing ??= flush();
    },
    /**
     * Fulfils when all is reported or the time is over.
     *
     * @returns how many outcomes were not reported
     */
    async close(timeoutMs: number): Promise<number> {
      const late = setTimeout(() => {
        closing.abort();
      }, timeoutMs);
      await flushing;
      clearTimeout(late);
      return pending.length;
    },
  };
}
