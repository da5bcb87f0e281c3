import fp from 'fastify-plugin';

/**
 * Nothing here is a page, so nothing may be loaded, framed, sniffed or kept. Those of helmet that only a page or a browser
 * long gone heeds are left out, and stay so: beyond 19 headers an answer costs a third more (decision 0011).
 */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** SEC-14: the same constant on every answer; documentation pages relax it in their own scope. */
export const securityHeaders = fp(
  (app, _options, done) => {
    app.addHook('onRequest', (_request, reply, next) => {
      reply.headers(SECURITY_HEADERS);
      next();
    });
    done();
  },
  { name: 'security-headers' },
);
