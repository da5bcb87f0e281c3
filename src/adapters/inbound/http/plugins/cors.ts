import fastifyCors from '@fastify/cors';
import fp from 'fastify-plugin';
import { SHA_HEADER } from './sha-header.ts';

const PREFLIGHT_MAX_AGE_SECONDS = 600;

/** SEC-10: no origin may call from a browser but those listed; `*` means all of them. */
export const cors = fp<{ origins: readonly string[] }>(
  (app, { origins }, done) => {
    const anyOrigin = origins.includes('*');
    if (origins.length > 0) {
      app.register(fastifyCors, {
        // False where none of them asks: then there is no header, and OPTIONS is no preflight.
        origin: (origin, answer) => {
          answer(null, origin !== undefined && (anyOrigin ? '*' : origins.includes(origin) && origin));
        },
        // Any that a route can have: a path has only its own. As text, because it would be joined for each request.
        methods: 'GET, HEAD, POST, PUT, PATCH, DELETE',
        allowedHeaders: 'authorization, content-type, idempotency-key, traceparent, x-trace-id',
        exposedHeaders: `idempotency-replayed, location, ratelimit, retry-after, ${SHA_HEADER}, x-trace-id`,
        maxAge: PREFLIGHT_MAX_AGE_SECONDS,
        strictPreflight: false,
      });
    }
    done();
  },
  { name: 'cors' },
);
