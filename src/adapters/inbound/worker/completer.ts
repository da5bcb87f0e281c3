import { Contended, type Report, type ReportedJob, type WorkerQueue } from '#src/application/worker/ports.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import { type Backoff, backoffSeconds } from '#src/domain/jobs/retry-policy.ts';
import { roughBytes } from '#src/domain/jobs/size.ts';
import { type DatabaseTrouble, isUnavailable, retryDelayMs } from './database-trouble.ts';
import { createWakeUp, pause, unlessAborted } from './pause.ts';

/** One statement that the database handles within a tenth of a second. */
const MAX_BATCH = 4000;
/** Of results and follow-ups in one statement; a single report may have more. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
/** Outcomes that wait to be stored before the worker takes no more jobs, and the bytes that they may take. */
const MAX_UNREPORTED = 2 * MAX_BATCH;
const MAX_UNREPORTED_BYTES = 32 * 1024 * 1024;
/** About the root of a full batch: whichever of its reports is at fault, it is found by some hundred small statements. */
const PART = 64;
/** How long a report steps back that was not stored by itself: a try of it may take as long as a statement may. */
const STEP_BACK: Backoff = { initialDelaySeconds: 1, factor: 2, maxDelaySeconds: 30 };

/** Takes the place of an outcome that the database does not store. */
const UNSTORABLE: Outcome = {
  status: 'failed',
  error: 'The job ran, but the database refused to store its outcome.',
};

/** Reports that are sent together. */
interface Group {
  readonly reports: readonly Report[];
  /** Of a report by itself: how often it stepped back, and whether UNSTORABLE is sent in place of its outcome. */
  readonly tries: number;
  readonly replaced: boolean;
  /** Not sent before. */
  readonly dueMs: number;
}

export interface CompleterOptions {
  readonly complete: WorkerQueue['complete'];
  readonly trouble: DatabaseTrouble;
  /**
   * @param refused leases that were lost before; the other jobs took their outcomes
   * @param retried whether an earlier try may have been the one that counted
   */
  readonly onSettled: (reports: readonly Report[], refused: ReadonlySet<string>, retried: boolean) => void;
}

/**
 * Reports outcomes in batches, one at a time: a batch is what came while the last one was on its way. While the database
 * is unavailable everything is kept. After any other failure the batch goes in parts, so that one outcome that is refused,
 * or that another session is in the way of, does not block the others. No outcome is ever given up.
 */
export function createCompleter({ complete, trouble, onSettled }: CompleterOptions) {
  let fresh: Report[] = [];
  /** Parts of what was not stored. */
  const apart: Group[] = [];
  let sending: readonly Report[] = [];
  let size = 0;
  let bytes = 0;
  const closing = new AbortController();
  const arrival = createWakeUp();
  let flushing: Promise<void> | undefined;

  async function flush(): Promise<void> {
    // What ends in the same turn of the event loop is reported together.
    const nextTurn = Promise.withResolvers<void>();
    setImmediate(nextTurn.resolve);
    await nextTurn.promise;
    while (size > 0 && !closing.signal.aborted) {
      const batch = takeBatch();
      if (batch.length > 0) await send(together(batch));
      const due = takeDue(performance.now());
      if (due) await send(due);
      else if (fresh.length === 0 && apart.length > 0) await arrival.wait(nextDueMs() - performance.now());
    }
    flushing = undefined;
  }

  function takeBatch(): Report[] {
    let length = 0;
    let room = MAX_BATCH_BYTES;
    for (const report of fresh) {
      if (length === MAX_BATCH || room <= 0) break;
      length += 1;
      room -= bytesOf(report);
    }
    return fresh.splice(0, length);
  }

  function takeDue(nowMs: number): Group | undefined {
    const index = apart.findIndex(({ dueMs }) => dueMs <= nowMs);
    return index < 0 ? undefined : apart.splice(index, 1)[0];
  }

  const nextDueMs = (): number => Math.min(...apart.map(({ dueMs }) => dueMs));

  /** Ends when the group is stored, or apart, or the completer is closed. */
  async function send(group: Group): Promise<void> {
    sending = group.reports;
    const reports = group.replaced ? group.reports.map(withoutOutcome) : group.reports;
    for (let failures = 0; !closing.signal.aborted; failures += 1) {
      if (failures > 0) await pause(retryDelayMs(failures), closing.signal);
      let refused: ReadonlySet<string>;
      try {
        refused = await complete(reports);
      } catch (error) {
        trouble.failed('complete', error, group.reports);
        if (isUnavailable(error)) continue;
        sending = [];
        apart.push(...partsOf(group, error));
        return;
      }
      trouble.worked('complete');
      sending = [];
      size -= reports.length;
      for (const report of group.reports) bytes -= bytesOf(report);
      onSettled(reports, refused, failures > 0);
      return;
    }
  }

  return {
    size: (): number => size,
    /** Whether so much waits that no more should be begun. */
    full: (): boolean => size >= MAX_UNREPORTED || bytes >= MAX_UNREPORTED_BYTES,
    jobs: (): ReportedJob[] =>
      [fresh, sending, ...apart.map(({ reports }) => reports)].flat().map(({ job }) => job),
    add(report: Report): void {
      fresh.push(report);
      size += 1;
      bytes += bytesOf(report);
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
      return size;
    },
  };
}

const together = (reports: readonly Report[]): Group => ({ reports, tries: 0, replaced: false, dueMs: 0 });

const withoutOutcome = ({ job }: Report): Report => ({ job, outcome: UNSTORABLE });

function bytesOf({ outcome }: Report): number {
  if (outcome.status !== 'completed') return 0;
  let bytes = roughBytes(outcome.result);
  for (const { payload } of outcome.followUps ?? []) bytes += roughBytes(payload);
  return bytes;
}

/**
 * How reports that were not stored are tried again. One that is refused goes without its outcome; if that is refused too,
 * it was not the outcome that was at fault, which is then tried again later. A job that is only given back has none.
 */
function partsOf({ reports, tries, replaced }: Group, error: unknown): Group[] {
  if (reports.length > 1) return chunksOf(reports, reports.length > PART ? PART : 1).map(together);
  const contended = error instanceof Contended;
  const replaceable = reports.every(({ outcome }) => outcome.status !== 'released');
  if (!contended && !replaced && replaceable) return [{ reports, tries, replaced: true, dueMs: 0 }];
  const waitMs = backoffSeconds(STEP_BACK, tries + 1, Math.random()) * 1000;
  return [{ reports, tries: tries + 1, replaced: contended && replaced, dueMs: performance.now() + waitMs }];
}

function chunksOf<T>(items: readonly T[], length: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += length) chunks.push(items.slice(start, start + length));
  return chunks;
}
