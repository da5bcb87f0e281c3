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

/** Of one request. Kept with it and not in a Map or Set here, whose outgrown tables would keep requests from being collected. */
export interface Ticket {
  state: 'new' | 'waiting' | 'working' | 'left';
  next: Next;
  sinceMs: number;
}

export const newTicket = (): Ticket => ({ state: 'new', next: noNext, sinceMs: 0 });
const noNext: Next = () => {};

/** Share of an interval from which on the event loop had no time left in it. */
const SATURATION = 0.98;
const SAMPLE_MS = 50;
/**
 * For how long one turn of the event loop begins work on requests, in milliseconds. A probe on a new connection waits for
 * about three turns: until it is accepted, read, and answered.
 */
const TURN_MS = 2;

/** Places at the head of the queue that may be empty before they are given back. */
const EMPTY_PLACES = 1000;

/**
 * AV-7: lets requests in, in the order of their arrival, as far as they can be served in time. What is too much waits here,
 * where its wait can be measured, and not in the queues of the event loop and the pool; only what would be answered too late
 * is refused, and late: whoever got its refusal at once would ask the more often, and a refusal is not free either. So a cold
 * start, a pause or a burst that is soon over delays requests and refuses none.
 */
export function createAdmission(
  { inFlight, inFlightSaturated, waiting: mostWaiting, waitMs }: Load,
  refuse: (reason: 'late' | 'full') => Error,
) {
  let working = 0;
  let waiting = 0;
  /** In the order of arrival, those that have left meanwhile among them. */
  const queue: (Ticket | undefined)[] = [];
  let head = 0;
  let allowed = inFlight;
  let turnStartMs: number | undefined;
  let utilization = performance.eventLoopUtilization();

  function beginTurn(nowMs: number): void {
    turnStartMs = nowMs;
    setImmediate(nextTurn);
  }
  /** Whether this turn, which the first request begins, has time for one more. */
  function joinTurn(nowMs: number): boolean {
    if (turnStartMs === undefined) beginTurn(nowMs);
    return nowMs - (turnStartMs ?? nowMs) <= TURN_MS;
  }

  /** What waits comes only between two turns, so that probes are read and answered meanwhile. */
  function nextTurn(): void {
    turnStartMs = undefined;
    for (let ticket = queue[head]; ticket; ticket = queue[head]) {
      if (ticket.state === 'waiting') {
        const nowMs = performance.now();
        const isLate = nowMs - ticket.sinceMs > waitMs;
        if ((working >= allowed && !isLate) || !joinTurn(nowMs)) return;
        waiting -= 1;
        if (!isLate) begin(ticket);
        else ticket.state = 'left';
        take();
        ticket.next(isLate ? refuse('late') : undefined);
      } else take();
    }
  }

  function take(): void {
    queue[head] = undefined;
    head += 1;
    if (head < EMPTY_PLACES && head < queue.length) return;
    queue.splice(0, head);
    head = 0;
  }

  function begin(ticket: Ticket): void {
    working += 1;
    ticket.state = 'working';
  }

  const timer = setInterval(() => {
    const { utilization: used } = performance.eventLoopUtilization(utilization);
    utilization = performance.eventLoopUtilization();
    allowed = used > SATURATION ? Math.min(inFlightSaturated, inFlight) : inFlight;
    if (turnStartMs === undefined) nextTurn();
  }, SAMPLE_MS).unref();

  return {
    /** Calls `next` at once, or later, or never when it leaves before. */
    enter(ticket: Ticket, next: Next): void {
      const nowMs = performance.now();
      if (waiting === 0 && working < allowed && joinTurn(nowMs)) {
        begin(ticket);
        next();
      } else if (waiting < mostWaiting) {
        waiting += 1;
        queue.push(Object.assign(ticket, { state: 'waiting', next, sinceMs: nowMs }));
      } else next(refuse('full'));
    },
    /** All that was to be done for it is done. Whoever was not let in, or has left before, does no harm. */
    leave(ticket: Ticket): void {
      if (ticket.state !== 'working') return;
      ticket.state = 'left';
      working -= 1;
      // Who waits comes later: here it would run on top of this one's stack.
      if (waiting > 0 && turnStartMs === undefined) beginTurn(performance.now());
    },
    /** Its client went away. What has begun goes on and takes its time all the same, until it leaves. */
    giveUp(ticket: Ticket): void {
      if (ticket.state !== 'waiting') return;
      ticket.state = 'left';
      waiting -= 1;
    },
    counts: () => ({ working, waiting }),
    stop: () => {
      clearInterval(timer);
    },
  };
}
