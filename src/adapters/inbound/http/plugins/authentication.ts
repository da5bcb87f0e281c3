import { callbackify } from 'node:util';
import type { Authenticate } from '#src/application/access/authenticate.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { limitLookUps } from '../key-look-ups.ts';
import type { Limits } from '../limits.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, if a good key says so. */
    principal: Principal | null;
    /** Why the key that was sent says nothing. */
    refusal: DomainError | null;
  }
}

const BEARER = /^bearer +([\x21-\x7e]+) *$/i;

/**
 * SEC-3, SEC-5: finds out who asks by `Authorization: Bearer`, from memory or, as far as the address may, from the database.
 * It refuses no bad key: the limiter counts it first, then the route's policy decides.
 */
export const authentication = fp<{ authenticate: Authenticate; limits: Limits }>(
  (app, { authenticate, limits }, done) => {
    const lookUp = limitLookUps(authenticate, limits.anonymousPerMinute);

    const identify = callbackify(async (key: string, request: FastifyRequest, reply: FastifyReply) => {
      try {
        request.principal = await lookUp(key, request.clientAddress, reply);
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
        request.refusal = error;
      }
    });

    app.decorateRequest('principal', null);
    app.decorateRequest('refusal', null);
    app.addHook('onRequest', (request, reply, next) => {
      const { authorization } = request.headers;
      if (authorization === undefined) {
        next();
        return;
      }
      const key = BEARER.exec(authorization)?.[1] ?? '';
      request.principal = authenticate.known(key) ?? null;
      if (request.principal) next();
      else identify(key, request, reply, next);
    });
    done();
  },
  { name: 'authentication', dependencies: ['client-address'] },
);
