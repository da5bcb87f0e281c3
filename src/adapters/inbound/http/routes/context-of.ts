import type { RequestContext } from '#src/application/context.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import type { FastifyRequest } from 'fastify';

/** Who asks. Only for routes with a permission: others have no principal. */
export function principalOf({ principal }: FastifyRequest): Principal {
  if (!principal) throw new Error('A route without permission asked for the principal.');
  return principal;
}

/** What a use case needs to know of the request. */
export function contextOf(request: FastifyRequest): RequestContext {
  const { actor, organizationId } = principalOf(request);
  const transaction = request.keyed?.execution?.transaction;
  return { actor, organizationId, traceId: request.id, transaction };
}
