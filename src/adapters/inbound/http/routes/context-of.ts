import type { RequestContext } from '#src/application/context.ts';
import type { FastifyRequest } from 'fastify';

/** What a use case needs to know of the request. Only for routes with a permission: others have no principal. */
export function contextOf({ principal, id, keyed }: FastifyRequest): RequestContext {
  if (!principal) throw new Error('A route without permission asked for the principal.');
  return { ...principal, traceId: id, transaction: keyed?.execution?.transaction };
}
