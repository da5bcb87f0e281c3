import fastifyRateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type SharedCounters, counterStore } from '../counter-store.ts';
import { type Limits, WINDOW_MS, holdTo, limitOf } from '../limits.ts';

interface Options {
  readonly limits: Limits;
  /** Shared by the replicas; without them each process counts for itself. */
  readonly counters: SharedCounters | undefined;
}

/**
 * SEC-8: so many requests a minute and address, fewer without a good key; unknown routes and documentation count
 * too, probes are outside of this scope.
 */
export const rateLimit = fp<Options>(
  (app, { limits, counters }, done) => {
    const authenticated = limitOf('authenticated', limits.authenticatedPerMinute);
    const anonymous = limitOf('anonymous', limits.anonymousPerMinute);
    const limitFor = (request: FastifyRequest) => (isAnonymous(request) ? anonymous : authenticated);

    app.register(fastifyRateLimit, {
      global: false,
      max: (request: FastifyRequest) => limitFor(request).max,
      keyGenerator: (request) => `${limitFor(request).name}:${request.clientAddress}`,
      timeWindow: WINDOW_MS,
      store: counterStore(counters, app.log),
    });
    app.after(() => {
      const count = app.createRateLimit();
      app.addHook('onRequest', async (request, reply) => {
        const result = await count(request);
        if (!result.isAllowed) holdTo(limitFor(request), result, reply);
      });
    });
    done();
  },
  { name: 'rate-limit', dependencies: ['authentication', 'client-address'] },
);

/** A key that could not be checked, because the database is away, is no failed authentication. */
const isAnonymous = ({ principal, refusal }: FastifyRequest): boolean =>
  principal === null && (refusal === null || refusal.code === 'unauthenticated');
