import fastifyCors from '@fastify/cors';
import fp from 'fastify-plugin';
import { SHA_HEADER } from './sha-header.ts';

const PREFLIGHT_MAX_AGE_SECONDS = 600;

/** SEC-10: no origin may call from a browser but those listed; `*` means all of them. */
export const cors = fp<{ origins: readonly string[] }>(
  (app, { origins }, done) => {
    app.register(fastifyCors, {
      origin: origins.length > 0 && [...origins],
      methods: ['GET', 'HEAD', 'POST'],
      allowedHeaders: ['authorization', 'content-type', 'traceparent', 'x-trace-id'],
      exposedHeaders: ['location', 'ratelimit', 'retry-after', SHA_HEADER, 'x-trace-id'],
      maxAge: PREFLIGHT_MAX_AGE_SECONDS,
      // Else an OPTIONS request that is no preflight would get an answer that is no problem detail.
      strictPreflight: false,
    });
    done();
  },
  { name: 'cors' },
);
