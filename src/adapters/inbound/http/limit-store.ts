import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { Permits, Quota } from './permits.ts';

/** What @fastify/rate-limit gives for a route's own `config.rateLimit`, which its types do not say. */
interface RouteLimit {
  readonly max: unknown;
  readonly timeWindow: unknown;
  readonly routeInfo: { readonly method: string; readonly url: string };
}

/** Where @fastify/rate-limit counts: in these permits, for a route with a limit of its own in permits of its own. */
export function limitStore(permits: Permits, open: (quota: Quota) => Permits): FastifyRateLimitStoreCtor {
  const store = storeOf(permits, open);
  // The plugin constructs its store, and takes what the constructor returns.
  return function LimitStore() {
    return store;
  } as unknown as FastifyRateLimitStoreCtor;
}

const storeOf = (permits: Permits, open: (quota: Quota) => Permits): FastifyRateLimitStore => ({
  incr(subject, tell) {
    const { max } = permits.quota;
    const window = permits.windowOf(subject);
    permits.take(window, (isAdmitted) => {
      const { remaining, ttl } = permits.standingOf(window);
      tell(null, { current: isAdmitted ? max - remaining : max + 1, ttl });
    });
  },
  child(route) {
    const { max, timeWindow, routeInfo } = route as unknown as RouteLimit;
    const name = `${routeInfo.method} ${routeInfo.url}`;
    if (typeof max !== 'number' || typeof timeWindow !== 'number') {
      throw new Error(`${name}: the limit and the window of a route are constants.`);
    }
    return storeOf(open({ name, max, windowMs: timeWindow }), open);
  },
});
