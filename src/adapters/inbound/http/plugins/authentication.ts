import type { Authenticate } from '#src/application/access/authenticate.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import fp from 'fastify-plugin';

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
 * SEC-3, SEC-5: finds out who asks by `Authorization: Bearer`. It refuses nobody: the limiter counts a failure first, then
 * the route's policy decides.
 */
export const authentication = fp<{ authenticate: Authenticate }>(
  (app, { authenticate }, done) => {
    app.decorateRequest('principal', null);
    app.decorateRequest('refusal', null);
    app.addHook('onRequest', async (request) => {
      const { authorization } = request.headers;
      if (authorization === undefined) return;
      try {
        request.principal = await authenticate(BEARER.exec(authorization)?.[1] ?? '');
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
        request.refusal = error;
      }
    });
    done();
  },
  { name: 'authentication' },
);
