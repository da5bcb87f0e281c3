import Fastify, { type RouteShorthandOptions } from 'fastify';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { authentication } from '#src/adapters/inbound/http/plugins/authentication.ts';
import { clientAddress } from '#src/adapters/inbound/http/plugins/client-address.ts';
import { rateLimit } from '#src/adapters/inbound/http/plugins/rate-limit.ts';
import { routePolicy } from '#src/adapters/inbound/http/plugins/route-policy.ts';
import { decide } from '#src/application/access/decide.ts';
import { principal } from './setup.ts';

/** An app in which a route has to state its policy. */
async function strictApp() {
  const app = Fastify();
  const limits = { authenticatedPerMinute: 1, anonymousPerMinute: 1 };
  const registry = new Registry();
  await app.register(clientAddress);
  await app.register(authentication, {
    authenticate: Object.assign(async () => principal('test'), {
      known: () => undefined,
    }),
    limits,
    registry,
  });
  await app.register(rateLimit, { limits, permits: undefined, registry });
  await app.register(routePolicy, { decide, loggedGrants: 0, registry });
  return app;
}

const unlimited = {
  config: { permission: 'jobs:read' },
  schema: { operationId: 'a', response: {} },
} as const;
const stated: RouteShorthandOptions = { ...unlimited, bodyLimit: 1 };

describe('[SEC-3] [SEC-13] the service does not start with a route that does not state its', () => {
  it.for([
    ['permission', { ...stated, config: {} }],
    ['operation id', { ...stated, schema: { response: {} } }],
    ['response schema', { ...stated, schema: { operationId: 'a' } }],
    ['body limit', unlimited],
  ] as [string, RouteShorthandOptions][])('%s', async ([missing, options]) => {
    const app = await strictApp();
    expect(() => app.post('/v1/things', options, async () => 'x')).toThrow(
      `POST /v1/things does not state its ${missing}.`,
    );
    expect(() => app.post('/v1/others', stated, async () => 'x')).not.toThrow();
  });

  it.for(['PUT', 'PATCH', 'DELETE', ['POST', 'PUT'], ['GET', 'POST']])(
    'body limit with %j',
    async (method) => {
      const app = await strictApp();
      const route = { method, url: '/v1/things', handler: async () => 'x' };
      expect(() => app.route({ ...unlimited, ...route })).toThrow('does not state its body limit.');
      expect(() => app.route({ ...unlimited, ...route, bodyLimit: 1 })).not.toThrow();
    },
  );

  it('parameter schema', async () => {
    const app = await strictApp();
    expect(() => app.get('/v1/things/:id', stated, async () => 'x')).toThrow(
      'GET /v1/things/:id does not state its parameter schema.',
    );
    const schema = { ...unlimited.schema, params: {} };
    expect(() => app.get('/v1/things/:id', { ...stated, schema }, async () => 'x')).not.toThrow();
  });

  it('policy even if it only looks like the documentation', async () => {
    const app = await strictApp();
    expect(() => app.get('/docsecrets', async () => 'x')).toThrow('/docsecrets does not state its');
    expect(() => app.get('/docs', async () => 'x')).not.toThrow();
  });
});
