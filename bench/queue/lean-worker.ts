import type { Handler, Payload, Working } from './engine.ts';

export interface Source<Job extends { payload: Payload }> {
  claim(limit: number): Promise<Job[]>;
  complete(jobs: readonly Job[]): Promise<void>;
  /** Whether who queues should wake this worker. */
  setIdle(idle: boolean): Promise<void>;
}

const CONCURRENCY = 24;
const FETCH = 1000;
const REPORT = 1000;
const POLL_MS = 250;
/** After so many claims in a row that found something, a worker counts as busy. */
const BUSY_AFTER = 8;

/**
 * The least that a worker of a SQL queue can be, so that the queue is what is compared: one claim at a time of what fits
 * into a buffer, handlers side by side, one report at a time of what ended meanwhile.
 */
export function startLeanWorker<Job extends { payload: Payload }>(source: Source<Job>, handle: Handler) {
  const buffer: Job[] = [];
  const ended: Job[] = [];
  const slots = new Set<Promise<void>>();
  const claims = { total: 0, empty: 0 };
  const state = { stopping: false, worthALook: true, idle: false };
  let [found, emptyInARow] = [0, 0];
  let head = 0;
  let fetching: Promise<void> | undefined;
  let reporting: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const waiting = (): number => buffer.length - head;

  async function slot(): Promise<void> {
    for (let job = buffer[head]; job !== undefined; job = buffer[head]) {
      head += 1;
      await handle(job.payload);
      ended.push(job);
      reporting ??= report();
      if (waiting() < FETCH / 2) refill();
    }
  }

  function startSlots(): void {
    while (slots.size < CONCURRENCY && waiting() > 0) {
      const running = slot();
      slots.add(running);
      void running.then(() => slots.delete(running));
    }
  }

  function refill(): void {
    if (!state.stopping && state.worthALook) fetching ??= fetch();
  }

  /** A claim that found something is followed by another one: there may be more. */
  async function fetch(): Promise<void> {
    clearTimeout(timer);
    await Promise.resolve();
    while (!state.stopping && state.worthALook && waiting() < FETCH) {
      state.worthALook = false;
      const jobs = await source.claim(FETCH - waiting());
      claims.total += 1;
      if (jobs.length > 0) {
        claims.empty += emptyInARow;
        emptyInARow = 0;
        found += 1;
      } else {
        emptyInARow += 1;
        found = 0;
      }
      state.worthALook ||= jobs.length > 0;
      buffer.splice(0, head);
      head = 0;
      buffer.push(...jobs);
      startSlots();
      await changeState();
    }
    fetching = undefined;
    if (!state.stopping) timer = setTimeout(wake, POLL_MS);
  }

  /** What is queued before the change is seen by one more look, what is queued after it wakes. */
  async function changeState(): Promise<void> {
    const idle = found === 0 || (state.idle && found < BUSY_AFTER);
    if (idle === state.idle) return;
    state.idle = idle;
    state.worthALook ||= idle;
    await source.setIdle(idle);
  }

  function wake(): void {
    state.worthALook = true;
    refill();
  }

  async function report(): Promise<void> {
    await Promise.resolve();
    while (ended.length > 0) await source.complete(ended.splice(0, REPORT));
    reporting = undefined;
  }

  wake();
  return {
    wake,
    claims,
    async stop() {
      state.stopping = true;
      clearTimeout(timer);
      await fetching;
      await Promise.all(slots);
      await reporting;
    },
  } satisfies Working & { wake(): void };
}
