import { DomainError } from '#src/domain/errors.ts';
import type { ErrorCode } from '#src/domain/errors.ts';
import type { RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { noBody, noQuery } from '../schemas/no-body.ts';

export type Permission =
  | 'jobs:read'
  | 'jobs:write'
  | 'queues:read'
  | 'queues:write'
  | 'workers:read'
  | 'audit:read';

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

const WITHOUT_BODY = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * SEC-3, SEC-13: a route states its policy or the service does not start, and one with a permission needs a key.
 * What a route does not say that it takes, it refuses.
 */
export const routePolicy = fp(
  (app, _options, done) => {
    app.addHook('onRoute', (route) => {
      if (PUBLIC_ROUTES.some((pattern) => pattern.test(`${String(route.method)} ${route.url}`))) return;
      const missing = missingFrom(route);
      if (missing.length > 0) {
        throw new Error(`${String(route.method)} ${route.url} does not state its ${missing.join(', ')}.`);
      }
      const { schema } = route;
      route.schema = { ...schema, querystring: schema?.querystring ?? noQuery };
      if (takesBody(route)) route.schema.body ??= noBody;
    });
    app.addHook('onRequest', (request, _reply, next) => {
      const { permission } = request.routeOptions.config;
      if (permission === undefined || request.principal) next();
      else next(request.refusal ?? unauthenticated());
    });
    done();
  },
  { name: 'route-policy', dependencies: ['authentication', 'rate-limit'] },
);

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

const unauthenticated = (): DomainError =>
  new DomainError('unauthenticated', 'This needs an API key. Send `Authorization: Bearer dfk_…`.');
