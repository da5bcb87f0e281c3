import { callbackify } from 'node:util';
import type { Authenticate } from '#src/application/access/authenticate.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Registry } from 'prom-client';
import { limitLookUps } from '../key-look-ups.ts';
import type { Limits } from '../limits.ts';
import { HttpError } from '../problems/http-error.ts';
import { tally } from '../tally.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, if a good key says so. */
    principal: Principal | null;
    /** Why the key that was sent says nothing. */
    refusal: DomainError | null;
  }
}

interface Options {
  readonly authenticate: Authenticate;
  readonly limits: Limits;
  readonly registry: Registry;
}

const DECISIONS = {
  name: 'authentication_decisions_total',
  help: 'Requests by key: known (from memory), found (by the database), refused, limited (too many were refused), unchecked (nobody could tell), none sent.',
  label: 'decision',
};

const BEARER = /^bearer +([\x21-\x7e]+) *$/i;

/**
 * SEC-3, SEC-5: finds out who asks by `Authorization: Bearer`, from memory or, as far as the address may, from the database.
 * It refuses no bad key: the limiter counts it first, then the route's policy decides. OBS-4: each decision is counted.
 */
export const authentication = fp<Options>(
  (app, { authenticate, limits, registry }, done) => {
    const decided = { known: 0, found: 0, refused: 0, limited: 0, unchecked: 0, none: 0 };
    tally(registry, DECISIONS, decided);
    const lookUp = limitLookUps(authenticate, limits.anonymousPerMinute);

    const identify = callbackify(async (key: string, request: FastifyRequest, reply: FastifyReply) => {
      try {
        request.principal = await lookUp(key, request.clientAddress, reply);
        decided.found += 1;
      } catch (error) {
        decided[failureOf(error)] += 1;
        if (!(error instanceof DomainError)) throw error;
        request.refusal = error;
      }
    });

    app.decorateRequest('principal', null);
    app.decorateRequest('refusal', null);
    app.addHook('onRequest', (request, reply, next) => {
      const { authorization } = request.headers;
      if (authorization === undefined) {
        decided.none += 1;
        next();
        return;
      }
      const key = BEARER.exec(authorization)?.[1] ?? '';
      request.principal = authenticate.known(key) ?? null;
      if (request.principal) {
        decided.known += 1;
        next();
      } else identify(key, request, reply, next);
    });
    done();
  },
  { name: 'authentication', dependencies: ['client-address'] },
);

function failureOf(error: unknown): 'refused' | 'limited' | 'unchecked' {
  if (error instanceof HttpError) return 'limited';
  return error instanceof DomainError && error.code === 'unauthenticated' ? 'refused' : 'unchecked';
}
