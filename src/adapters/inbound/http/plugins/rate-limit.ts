import { callbackify } from 'node:util';
import fastifyRateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Registry } from 'prom-client';
import { limitKnown } from '../limit-known.ts';
import { limitStore } from '../limit-store.ts';
import { limiterMetrics } from '../limiter-metrics.ts';
import { type Limits, perMinute, policyOf, refuse, tellStanding } from '../limits.ts';
import { type Permits, type Quota, permitsOf } from '../permits.ts';
import { HttpError } from '../problems/http-error.ts';
import { type SharedPermits, guarded } from '../shared-permits.ts';

interface Options {
  readonly limits: Limits;
  /** Of all replicas; without them each process counts for itself. */
  readonly permits: SharedPermits | undefined;
  readonly registry: Registry;
}

/** A route's own limit shows in `Retry-After` alone. */
const HEADERS = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false };

/**
 * SEC-8: so many requests a minute. What has no good key counts for its address, unknown routes and documentation too; what
 * has one counts for its address and for its key, and may be more. A route may have a narrower limit of its own, by address:
 * `config.rateLimit` of @fastify/rate-limit. Probes are outside of this scope.
 *
 * The library counts where there is no key; with one, a permit in hand is spent without a promise (decision 0012).
 */
export const rateLimit = fp<Options>(
  (app, { limits, permits, registry }, done) => {
    const shared = permits && guarded(permits, app.log);
    const all = new Set<Permits>();
    const open = (quota: Quota): Permits => {
      const opened = permitsOf(quota, shared);
      all.add(opened);
      return opened;
    };
    const anonymous = open(perMinute('anonymous', limits.anonymousPerMinute));
    const countKnown = limitKnown(
      open(perMinute('authenticated', limits.authenticatedPerMinute)),
      open(perMinute('principal', limits.authenticatedPerMinute)),
    );
    limiterMetrics(registry, all, shared);
    app.addHook('onClose', (_app, next) => {
      shared?.stop();
      next();
    });

    const { quota } = anonymous;
    const policy = policyOf(quota);
    app.register(fastifyRateLimit, {
      global: false,
      max: quota.max,
      timeWindow: quota.windowMs,
      keyGenerator: ({ clientAddress }) => clientAddress,
      store: limitStore(anonymous, open),
      addHeaders: HEADERS,
      addHeadersOnExceeding: HEADERS,
      errorResponseBuilder: () => new HttpError('rate_limited'),
    });
    app.after(() => {
      const count = app.createRateLimit();
      const countAnonymous = callbackify(async (request: FastifyRequest, reply: FastifyReply) => {
        const result = await count(request);
        if (result.isAllowed) return;
        if (result.isExceeded) throw refuse(reply, policy, quota, result.ttl);
        tellStanding(reply, policy, quota, result);
      });
      app.addHook('onRequest', (request, reply, next) => {
        if (isAnonymous(request)) countAnonymous(request, reply, next);
        else countKnown(request, reply, next);
      });
    });
    done();
  },
  { name: 'rate-limit', dependencies: ['authentication', 'client-address'] },
);

/** A key that could not be checked, because the database is away, is no failed authentication. */
const isAnonymous = ({ principal, refusal }: FastifyRequest): boolean =>
  principal === null && (refusal === null || refusal.code === 'unauthenticated');
