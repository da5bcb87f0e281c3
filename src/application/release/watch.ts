import type { ReleaseTools, WatchSample } from './ports.ts';

const LONGEST_PAUSE_MS = 10_000;
/** Of fewer requests one error says nothing. */
const LEAST_REQUESTS = 20;
const MOST_ERRORS = 0.01;
/** One look may meet a pod that just goes. */
const MOST_NOT_READY = 2;
const MOST_ENDED = 2;
/** One pod that just goes has none, either. */
const MOST_UNCOUNTED = 2;
/** The last five minutes. */
const RECENT_LOOKS = 30;
/** Each look meets one replica of many: one that lives is missed by so many times their number once in 150 times. */
const LOOKS_OF_EACH = 5;

/** Looks at the service again and again. @returns a summary @throws Error as soon as it is worse than it may be, or `signal` is aborted */
export async function watchErrors(
  sha: string,
  { look, means: { watchMs, seesErrors }, clock, signal, progress }: ReleaseTools,
): Promise<string> {
  const startedAt = clock.now();
  const samples: WatchSample[] = [];
  const pause = Math.min(LONGEST_PAUSE_MS, watchMs / 5);
  progress(`watching for ${Math.round(watchMs / 1000)} s`);
  while (clock.now() - startedAt < watchMs) {
    await clock.sleep(pause, signal);
    samples.push(await look());
    const fault = faultOf(samples, { sha, since: startedAt / 1000, seesErrors });
    if (fault !== undefined) throw new Error(fault);
  }
  const { requests, errors } = totalOf(samples);
  const counted = samples.some(({ process }) => process)
    ? `${requests} requests, ${errors} errors`
    : 'no metrics, so that errors were not seen';
  return `${samples.length} looks, ${counted}`;
}

export interface Expected {
  readonly sha: string;
  /** When the watch began, as Unix time in seconds. */
  readonly since: number;
  /** It is known where the metrics are. */
  readonly seesErrors: boolean;
}

/** What is wrong with what was seen so far. */
export function faultOf(
  samples: readonly WatchSample[],
  { sha, since, seesErrors }: Expected,
): string | undefined {
  const other = samples.find((sample) => sample.sha !== null && sample.sha !== sha);
  if (other) return `${other.sha} answered`;
  const last = samples.slice(-MOST_NOT_READY - 1);
  if (last.length > MOST_NOT_READY && last.every(({ ready }) => !ready))
    return `it was not ready ${last.length} times in a row`;
  const uncounted = samples.slice(-MOST_UNCOUNTED - 1);
  if (seesErrors && uncounted.length > MOST_UNCOUNTED && uncounted.every(({ process }) => !process))
    return `its metrics did not answer ${uncounted.length} times in a row, so that errors are not seen`;
  const ended = endedSince(samples, since);
  if (ended > MOST_ENDED) return `${ended} processes began while it was watched, and ended`;
  const { requests, errors } = totalOf(samples);
  return (requests >= LEAST_REQUESTS || errors > 1) && errors > MOST_ERRORS * requests
    ? `${errors} of ${requests} requests were answered with 500 or more`
    : undefined;
}

/** How many began while it was watched and are not seen any more. One that is only new was added, by an autoscaler perhaps. */
function endedSince(samples: readonly WatchSample[], since: number): number {
  const lastLook = new Map<number, number>();
  for (const [index, { process }] of samples.entries()) {
    if (process) lastLook.set(process.startedAt, index);
  }
  const looksSince = (index: number): number => samples.length - 1 - index;
  const lively = [...lastLook.values()].filter((index) => looksSince(index) < RECENT_LOOKS).length;
  return [...lastLook].filter(
    ([startedAt, index]) => startedAt > since && looksSince(index) >= LOOKS_OF_EACH * lively,
  ).length;
}

/** Behind one address there may be many processes, each with counters of its own: what each counted from our first look at it. */
function totalOf(samples: readonly WatchSample[]): { readonly requests: number; readonly errors: number } {
  const first = new Map<number, { readonly requests: number; readonly errors: number }>();
  const last = new Map<number, { readonly requests: number; readonly errors: number }>();
  for (const { process } of samples) {
    if (!process) continue;
    if (!first.has(process.startedAt)) first.set(process.startedAt, process);
    last.set(process.startedAt, process);
  }
  let [requests, errors] = [0, 0];
  for (const [startedAt, now] of last) {
    requests += now.requests - (first.get(startedAt)?.requests ?? 0);
    errors += now.errors - (first.get(startedAt)?.errors ?? 0);
  }
  return { requests, errors };
}
