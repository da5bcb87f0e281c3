import { normalizeIP } from '@fastify/rate-limit';
import fp from 'fastify-plugin';
import { LRUCache } from 'lru-cache';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whom the limiter counts: an IPv4 address or an IPv6 network of 64 bits. */
    clientAddress: string;
  }
}

const KNOWN_ADDRESSES = 10_000;

/**
 * SEC-9: the address of the client, by X-Forwarded-For only as far as the trusted networks of the server's options reach.
 * Taken once and at first: a socket that is closed meanwhile has none any more.
 */
export const clientAddress = fp(
  (app, _options, done) => {
    // To tell a network from an address costs as much as half of the request.
    const known = new LRUCache<string, string>({ max: KNOWN_ADDRESSES, memoMethod: (ip) => normalizeIP(ip) });

    app.decorateRequest('clientAddress', '');
    app.addHook('onRequest', (request, _reply, next) => {
      request.clientAddress = known.memo(request.ip ?? 'unknown');
      next();
    });
    done();
  },
  { name: 'client-address' },
);
