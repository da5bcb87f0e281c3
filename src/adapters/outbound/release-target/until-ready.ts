import { setTimeout as sleep } from 'node:timers/promises';

/** The commit that is ready behind an address, if anything is. */
export type ReadySha = (url: string) => Promise<string | undefined>;

interface Waiting {
  readonly sha: string;
  readonly url: string;
  readonly readySha: ReadySha;
  readonly timeoutMs: number;
  /** That many in a row, where replicas of before may still answer. */
  readonly sightings?: number;
  readonly signal: AbortSignal;
  /** It will not come any more. */
  readonly isOver?: () => boolean;
}

const LONGEST_PAUSE_MS = 500;

/** @throws Error when the commit is not ready in time, or `signal` is aborted */
export async function untilReady({
  sha,
  url,
  readySha,
  timeoutMs,
  sightings = 1,
  signal,
  isOver,
}: Waiting): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let inRow = 0;
  for (let pause = 50; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const seen = await readySha(url);
    inRow = seen === sha ? inRow + 1 : 0;
    if (inRow === sightings) return;
    if (isOver?.()) throw new Error('It has ended.');
    if (performance.now() > deadline)
      throw new Error(`Not ready at ${url} within ${timeoutMs / 1000} s; there is ${seen ?? 'nothing'}.`);
    await sleep(pause, undefined, { signal });
  }
}
