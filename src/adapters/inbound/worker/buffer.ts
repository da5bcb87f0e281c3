import type { ClaimedJob } from '#src/domain/jobs/job.ts';

interface Buffered {
  readonly job: ClaimedJob;
  /** When the job came into this process, by the monotonic clock. */
  readonly sinceMs: number;
}

export interface BufferOptions {
  readonly maxWaitMs: number;
  /** Called with what waited for so long; it is no longer in the buffer. */
  readonly onOverdue: (jobs: ClaimedJob[]) => void;
}

/** Claimed jobs that wait for a slot, most urgent first, and not for long: another worker may have a slot for them. */
export function createBuffer({ maxWaitMs, onOverdue }: BufferOptions) {
  /** The next one is the last: to take it moves no other. */
  let waiting: Buffered[] = [];
  let timer: NodeJS.Timeout | undefined;

  function remove(fits: (buffered: Buffered) => boolean): ClaimedJob[] {
    const removed = waiting.filter(fits);
    if (removed.length > 0) waiting = waiting.filter((buffered) => !fits(buffered));
    return removed.map(({ job }) => job);
  }

  /** One timer at a time, for what is oldest now; when it fires, the next one is set for what is oldest then. */
  function watch(): void {
    if (timer !== undefined || waiting.length === 0) return;
    const oldestMs = waiting.reduce((oldest, { sinceMs }) => Math.min(oldest, sinceMs), Infinity);
    timer = setTimeout(
      () => {
        timer = undefined;
        const dueMs = performance.now() - maxWaitMs;
        const overdue = remove(({ sinceMs }) => sinceMs <= dueMs);
        if (overdue.length > 0) onOverdue(overdue);
        watch();
      },
      Math.max(oldestMs + maxWaitMs - performance.now(), 0),
    );
  }

  return {
    size: (): number => waiting.length,
    jobs: (): ClaimedJob[] => waiting.map(({ job }) => job),
    /** Sorts once a claim; what is there is in order already, so that is little more than a merge. */
    add(jobs: readonly ClaimedJob[]): void {
      const sinceMs = performance.now();
      const added = jobs.map((job) => ({ job, sinceMs })).toReversed();
      waiting = [...added, ...waiting].toSorted((a, b) => a.job.priority - b.job.priority);
    },
    take: (): Buffered | undefined => waiting.pop(),
    /** Call it when what could be taken is taken. */
    watch,
    remove: (fits: (job: ClaimedJob) => boolean): ClaimedJob[] => remove(({ job }) => fits(job)),
    clear(): ClaimedJob[] {
      clearTimeout(timer);
      timer = undefined;
      return remove(() => true);
    },
  };
}
