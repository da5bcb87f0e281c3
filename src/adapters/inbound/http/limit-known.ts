import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { policyOf, refuse, tellStanding } from './limits.ts';
import type { Permits, Window } from './permits.ts';

/**
 * Holds a client with a key to the limit of its address and to that of the key (SEC-8). With permits in hand it is done at
 * once; the headers tell of the limit that is closer.
 */
export function limitKnown(addresses: Permits, principals: Permits) {
  const policy = policyOf(addresses.quota, principals.quota);

  function tell(reply: FastifyReply, address: Window, own: Window): void {
    const ofAddress = addresses.standingOf(address);
    const ofOwn = principals.standingOf(own);
    if (ofOwn.remaining < ofAddress.remaining) tellStanding(reply, policy, principals.quota, ofOwn);
    else tellStanding(reply, policy, addresses.quota, ofAddress);
  }

  /** Asks for both at once, so that nobody waits twice; a full address costs the key nothing. */
  function take(
    address: Window,
    own: Window,
    isAddressSpent: boolean,
    done: (refusing?: Permits) => void,
  ): void {
    let open = isAddressSpent ? 1 : 2;
    let refusing: Permits | undefined;
    const settle =
      (permits: Permits) =>
      (isAdmitted: boolean): void => {
        if (!isAdmitted) refusing ??= permits;
        open -= 1;
        if (open === 0) done(refusing);
      };
    if (!isAddressSpent) addresses.take(address, settle(addresses));
    if (refusing) done(refusing);
    else principals.take(own, settle(principals));
  }

  return (request: FastifyRequest, reply: FastifyReply, next: HookHandlerDoneFunction): void => {
    const address = addresses.windowOf(request.clientAddress);
    // A key that cannot be checked counts as one of its address.
    const own = principals.windowOf(request.principal?.actor ?? request.clientAddress);
    const isAddressSpent = addresses.spend(address);
    if (isAddressSpent && principals.spend(own)) {
      tell(reply, address, own);
      next();
      return;
    }
    take(address, own, isAddressSpent, (refusing) => {
      if (!refusing) {
        tell(reply, address, own);
        next();
        return;
      }
      const { ttl } = refusing.standingOf(refusing === addresses ? address : own);
      next(refuse(reply, policy, refusing.quota, ttl));
    });
  };
}
