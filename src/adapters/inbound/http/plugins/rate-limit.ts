import fastifyRateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';
import { type SharedCounters, counterStore } from '../counter-store.ts';

interface Options {
  readonly limits: { readonly authenticatedPerMinute: number; readonly anonymousPerMinute: number };
  /** Shared by the replicas; without them each process counts for itself. */
  readonly counters: SharedCounters | undefined;
}

const WINDOW_SECONDS = 60;

/**
 * SEC-8: so many requests a minute and address, fewer without a good key; unknown routes and documentation count
 * too, probes are outside of this scope. Headers as in draft-ietf-httpapi-ratelimit-headers-11.
 */
export const rateLimit = fp<Options>(
  (app, { limits, counters }, done) => {
    const authenticated = bucket('authenticated', limits.authenticatedPerMinute);
    const anonymous = bucket('anonymous', limits.anonymousPerMinute);
    const bucketOf = (request: FastifyRequest) => (isAnonymous(request) ? anonymous : authenticated);

    app.register(fastifyRateLimit, {
      global: false,
      max: (request: FastifyRequest) => bucketOf(request).max,
      keyGenerator: (request) => `${bucketOf(request).name}:${request.clientAddress}`,
      timeWindow: WINDOW_SECONDS * 1000,
      store: counterStore(counters, app.log),
    });
    app.after(() => {
      const count = app.createRateLimit();
      app.addHook('onRequest', async (request, reply) => {
        const result = await count(request);
        if (result.isAllowed) return;
        const { name, policy } = bucketOf(request);
        const seconds = Math.max(1, result.ttlInSeconds);
        reply.header('ratelimit-policy', policy);
        reply.header('ratelimit', `"${name}";r=${result.remaining};t=${seconds}`);
        if (!result.isExceeded) return;
        reply.header('retry-after', seconds);
        throw new HttpError('rate_limited');
      });
    });
    done();
  },
  { name: 'rate-limit', dependencies: ['authentication', 'client-address'] },
);

const bucket = (name: string, max: number) => ({
  name,
  max,
  policy: `"${name}";q=${max};w=${WINDOW_SECONDS}`,
});

/** A key that could not be checked, because the database is away, is no failed authentication. */
const isAnonymous = ({ principal, refusal }: FastifyRequest): boolean =>
  principal === null && (refusal === null || refusal.code === 'unauthenticated');
