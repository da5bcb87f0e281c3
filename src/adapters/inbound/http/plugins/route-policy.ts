import type { Decide } from '#src/application/access/decide.ts';
import { PERMISSIONS, type Permission } from '#src/domain/access/permission.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { ErrorCode } from '#src/domain/errors.ts';
import type { FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import type { Registry } from 'prom-client';
import { routeOf } from '../route-of.ts';
import { noBody, noQuery } from '../schemas/no-body.ts';
import { tally } from '../tally.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller must be allowed to do. */
    permission?: Permission;
    /** Refusals of the domain that this operation can end with, beside those of every operation. */
    refusals?: readonly ErrorCode[];
  }
}

/** SEC-3: the routes without a key. Probes are registered outside of this scope, an unknown route is no route. */
const PUBLIC_ROUTES = [
  /^OPTIONS \*$/, // a browser sends its preflight without credentials
  /^\S+ \/docs(?:\/|$)/, // the published contract and its page, in dev only
];

interface Options {
  readonly decide: Decide;
  /** Share, from 0 to 1. */
  readonly loggedGrants: number;
  readonly registry: Registry;
}

const GRANTS = {
  name: 'authorization_grants_total',
  help: 'Requests that were allowed, by the permission that they needed.',
  label: 'permission',
};
const DENIALS = {
  name: 'authorization_denials_total',
  help: 'Requests with a good key that were denied, by the permission that the key lacks.',
  label: 'permission',
};

const WITHOUT_BODY = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * SEC-3, SEC-13: a route states its policy or the service does not start, and one with a permission needs a key that has it.
 * What a route does not say that it takes, it refuses. SEC-4: grants are counted, and so many of them logged as asked for.
 */
export const routePolicy = fp<Options>(
  (app, { decide, loggedGrants, registry }, done) => {
    const granted = none();
    const denied = none();
    tally(registry, GRANTS, granted);
    tally(registry, DENIALS, denied);

    function authorise(request: FastifyRequest, permission: Permission): DomainError | undefined {
      const { principal } = request;
      if (!principal) return request.refusal ?? unauthenticated();
      if (decide(principal, permission) !== 'granted') {
        denied[permission] += 1;
        return missing(permission);
      }
      granted[permission] += 1;
      // By chance, not by the trace id: that one is the client's to choose.
      if (loggedGrants > 0 && Math.random() < loggedGrants) logGrant(request, principal, permission);
      return undefined;
    }

    app.addHook('onRoute', (route) => {
      if (PUBLIC_ROUTES.some((pattern) => pattern.test(`${String(route.method)} ${route.url}`))) return;
      const unstated = missingFrom(route);
      if (unstated.length > 0) {
        throw new Error(`${String(route.method)} ${route.url} does not state its ${unstated.join(', ')}.`);
      }
      const { schema } = route;
      route.schema = { ...schema, querystring: schema?.querystring ?? noQuery };
      if (takesBody(route)) route.schema.body ??= noBody;
    });
    app.addHook('onRequest', (request, _reply, next) => {
      const { permission } = request.routeOptions.config;
      if (permission === undefined) next();
      else next(authorise(request, permission));
    });
    done();
  },
  { name: 'route-policy', dependencies: ['authentication', 'rate-limit'] },
);

function logGrant(
  request: FastifyRequest,
  { actor, organizationId }: Principal,
  permission: Permission,
): void {
  const route = routeOf(request);
  request.log.info(
    { event: 'permission_granted', actor, organization_id: organizationId, permission, route },
    'permission granted',
  );
}

function missingFrom(route: RouteOptions): string[] {
  const { bodyLimit, config, schema, url } = route;
  const stated = {
    permission: config?.permission,
    'operation id': schema?.operationId,
    'response schema': schema?.response,
    'parameter schema': url.includes(':') ? schema?.params : {},
    'body limit': takesBody(route) ? bodyLimit : 0,
  };
  return Object.entries(stated)
    .filter(([, value]) => value === undefined)
    .map(([name]) => name);
}

const takesBody = ({ method }: RouteOptions): boolean =>
  [method].flat().some((one) => !WITHOUT_BODY.has(one));

const none = (): Record<Permission, number> =>
  Object.fromEntries(PERMISSIONS.map((permission) => [permission, 0])) as Record<Permission, number>;

const missing = (permission: Permission): DomainError =>
  new DomainError(
    'permission_denied',
    `Your key does not have the permission ${permission}. Ask an administrator of your organisation.`,
  );

const unauthenticated = (): DomainError =>
  new DomainError('unauthenticated', 'This needs an API key. Send `Authorization: Bearer dfk_…`.');
