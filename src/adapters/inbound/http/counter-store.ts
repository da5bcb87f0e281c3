import { callbackify } from 'node:util';
import type { FastifyBaseLogger } from 'fastify';
import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import { localWindows } from './local-windows.ts';

export interface Count {
  readonly count: number;
  /** Until the window ends and the count begins anew. */
  readonly remainingMs: number;
}

/** Counters that all replicas share. */
export interface SharedCounters {
  /** Adds one; the window begins with the first. Rejects soon when the store does not answer. */
  increment(key: string, windowMs: number): Promise<Count>;
}

/** Each replica counts for itself in an outage, so each request counts for more (SEC-8). */
const OUTAGE_WEIGHT = 2;

/** The arguments of a store of @fastify/rate-limit, in its order. */
type Increment = FastifyRateLimitStore['incr'];

/**
 * Where @fastify/rate-limit counts: in the shared counters, in this process while they do not answer; never not at all, and
 * never with an error.
 */
export function counterStore(
  shared: SharedCounters | undefined,
  log: FastifyBaseLogger,
): FastifyRateLimitStoreCtor {
  const incr = shared ? incrementShared(shared, log) : incrementLocal();
  const store: FastifyRateLimitStore = { incr, child: () => store };
  // The plugin constructs its store, and takes what the constructor returns.
  return function CounterStore() {
    return store;
  } as unknown as FastifyRateLimitStoreCtor;
}

function incrementLocal(): Increment {
  const local = countLocally();
  return (key, callback, windowMs) => {
    const { count, remainingMs } = local(key, windowMs);
    callback(null, { current: count, ttl: remainingMs });
  };
}

function incrementShared(shared: SharedCounters, log: FastifyBaseLogger): Increment {
  const local = countLocally();
  let outage = false;

  function note(failed: boolean): void {
    if (failed === outage) return;
    outage = failed;
    log.warn(failed ? 'rate limits counted in this process only' : 'rate limits shared again');
  }

  const increment = callbackify(async (key: string, windowMs: number) => {
    try {
      const { count, remainingMs } = await shared.increment(key, windowMs);
      note(false);
      return { current: count, ttl: remainingMs };
    } catch {
      // Why is Redis' own to say, in readiness and by its client.
      note(true);
      const { count, remainingMs } = local(key, windowMs);
      return { current: count * OUTAGE_WEIGHT, ttl: remainingMs };
    }
  });
  return (key, callback, windowMs) => {
    increment(key, windowMs, callback);
  };
}

function countLocally(): (key: string, windowMs: number) => Count {
  const windowOf = localWindows();
  return (key, windowMs) => {
    const window = windowOf(key, windowMs);
    window.count += 1;
    return { count: window.count, remainingMs: window.endsAt - performance.now() };
  };
}
