import type { Authenticate } from '#src/application/access/authenticate.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { FastifyReply } from 'fastify';
import { holdTo, limitOf, WINDOW_MS } from './limits.ts';
import { type Window, localWindows } from './local-windows.ts';

/**
 * Asks the database about a key that is not known, for so many failures a minute and address: guessing costs the
 * database nothing more (SEC-8). A good key costs its address nothing, and requests with the same key share one look-up,
 * so that a key whose time in the cache is over does not use the limit up. Counted by each replica; what the client
 * may do after a failure is the shared limit's to say.
 *
 * @throws HttpError `rate_limited`, and what `authenticate` throws
 */
export function limitLookUps(authenticate: Authenticate, failuresPerMinute: number) {
  const limit = limitOf('anonymous', failuresPerMinute);
  const refuse = (window: Window, reply: FastifyReply): void => {
    holdTo(limit, { remaining: 0, isExceeded: true, ttl: window.endsAt - performance.now() }, reply);
  };
  const windowOf = localWindows();
  const running = new Map<string, Promise<Principal>>();

  async function lookUp(key: string, address: string, reply: FastifyReply): Promise<Principal> {
    const window = windowOf(address, WINDOW_MS);
    window.count += 1;
    let failed = false;
    try {
      if (window.count > limit.max) refuse(window, reply);
      return await authenticate(key);
    } catch (error) {
      failed = error instanceof DomainError && error.code === 'unauthenticated';
      throw error;
    } finally {
      if (!failed) window.count -= 1;
    }
  }

  return async (key: string, address: string, reply: FastifyReply): Promise<Principal> => {
    const shared = running.get(key);
    if (shared) return await shared;
    const own = lookUp(key, address, reply).finally(() => running.delete(key));
    running.set(key, own);
    return await own;
  };
}
