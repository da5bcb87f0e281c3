import { performance } from 'node:perf_hooks';

export interface Load {
  /** Requests that are worked on at a time; others wait. */
  readonly inFlight: number;
  /** The same while the event loop has no time left: more of them would only wait elsewhere, where nobody sees it. */
  readonly inFlightSaturated: number;
  /** Requests that wait at a time, which bounds their memory. One more is refused at once. */
  readonly waiting: number;
  /** Longest wait, in milliseconds; then a request is refused. */
  readonly waitMs: number;
}

/** Goes on with a request, or refuses it. */
type Next = (refusal?: Error) => void;

interface Waiting {
  readonly next: Next;
  readonly sinceMs: number;
}

/** Share of an interval from which on the event loop had no time left in it. */
const SATURATION = 0.98;
const SAMPLE_MS = 50;
/**
 * For how long one turn of the event loop begins work on requests, in milliseconds. A probe on a new connection waits for
 * about three turns: until it is accepted, read, and answered.
 */
const TURN_MS = 2;

/**
 * AV-7: lets requests in, in the order of their arrival, as far as they can be served in time. What is too much waits here,
 * where its wait can be measured, and not in the queues of the event loop and the pool; only what would be answered too late
 * is refused, and late: whoever got its refusal at once would ask the more often, and a refusal is not free either. So a cold
 * start, a pause or a burst that is soon over delays requests and refuses none.
 */
export function createAdmission<Request extends object>(
  { inFlight, inFlightSaturated, waiting: mostWaiting, waitMs }: Load,
  refusal: Error,
) {
  const working = new Set<Request>();
  const waiting = new Map<Request, Waiting>();
  let allowed = inFlight;
  let turnStartMs: number | undefined;
  let utilization = performance.eventLoopUtilization();

  function beginTurn(nowMs: number): void {
    turnStartMs = nowMs;
    setImmediate(nextTurn);
  }
  function isTurnOver(nowMs: number): boolean {
    if (turnStartMs === undefined) beginTurn(nowMs);
    return nowMs - (turnStartMs ?? nowMs) > TURN_MS;
  }

  /** What waits comes only between two turns, so that probes are read and answered meanwhile. */
  function nextTurn(): void {
    turnStartMs = undefined;
    for (const [request, { next, sinceMs }] of waiting) {
      const nowMs = performance.now();
      const isLate = nowMs - sinceMs > waitMs;
      if ((working.size >= allowed && !isLate) || isTurnOver(nowMs)) break;
      waiting.delete(request);
      if (!isLate) working.add(request);
      next(isLate ? refusal : undefined);
    }
  }

  const timer = setInterval(() => {
    const { utilization: used } = performance.eventLoopUtilization(utilization);
    utilization = performance.eventLoopUtilization();
    allowed = used > SATURATION ? Math.min(inFlightSaturated, inFlight) : inFlight;
    if (turnStartMs === undefined) nextTurn();
  }, SAMPLE_MS).unref();

  return {
    /** Calls `next` at once, or later, or never when it leaves before. */
    enter(request: Request, next: Next): void {
      const nowMs = performance.now();
      if (waiting.size === 0 && working.size < allowed && !isTurnOver(nowMs)) {
        working.add(request);
        next();
      } else if (waiting.size < mostWaiting) waiting.set(request, { next, sinceMs: nowMs });
      else next(refusal);
    },
    /** All that was to be done for it is done. Whoever was not let in, or has left before, does no harm. */
    leave(request: Request): void {
      // Who waits comes later: here it would run on top of this one's stack.
      if (working.delete(request) && waiting.size > 0 && turnStartMs === undefined)
        beginTurn(performance.now());
    },
    /** Its client went away. What has begun goes on and takes its time all the same, until it leaves. */
    giveUp(request: Request): void {
      waiting.delete(request);
    },
    stop: () => {
      clearInterval(timer);
    },
  };
}
