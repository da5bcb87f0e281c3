import type { Authenticate } from '#src/application/access/authenticate.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { FastifyReply } from 'fastify';
import { perMinute, policyOf, refuse } from './limits.ts';
import { permitsOf } from './permits.ts';

/** A look-up that began longer ago may have found a key that was revoked since (SEC-5). */
const SHARED_MS = 1000;

/**
 * Asks the database about a key that is not known, for so many failures a minute and address: guessing costs the
 * database nothing more (SEC-8). A good key costs its address nothing, and requests with the same key share a look-up that has
 * just begun, so that a key whose time in the cache is over does not use the limit up. Counted by each replica; what the client
 * may do after a failure is the shared limit's to say.
 *
 * @throws HttpError `rate_limited`, and what `authenticate` throws
 */
export function limitLookUps(authenticate: Authenticate, failuresPerMinute: number) {
  const quota = perMinute('anonymous', failuresPerMinute);
  const permits = permitsOf(quota);
  const policy = policyOf(quota);
  const running = new Map<string, { readonly principal: Promise<Principal>; readonly startedAt: number }>();

  async function lookUp(key: string, address: string, reply: FastifyReply): Promise<Principal> {
    const window = permits.windowOf(address);
    if (!permits.spend(window)) throw refuse(reply, policy, quota, permits.standingOf(window).ttl);
    const { endsAt } = window;
    try {
      const principal = await authenticate(key);
      permits.giveBack(window, endsAt);
      return principal;
    } catch (error) {
      const isGuess = error instanceof DomainError && error.code === 'unauthenticated';
      if (!isGuess) permits.giveBack(window, endsAt);
      throw error;
    }
  }

  return async (key: string, address: string, reply: FastifyReply): Promise<Principal> => {
    const startedAt = performance.now();
    const shared = running.get(key);
    if (shared && startedAt - shared.startedAt < SHARED_MS) return await shared.principal;
    const own = { principal: lookUp(key, address, reply), startedAt };
    running.set(key, own);
    try {
      return await own.principal;
    } finally {
      if (running.get(key) === own) running.delete(key);
    }
  };
}
