import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { testApi } from './setup.ts';

type Method = 'GET' | 'POST';
const PROBES = new Set(['/health', '/readyz', '/ready']);
const LIMIT = 1;

/** Every route of the API as it was registered, but for the HEAD that Fastify adds to each GET. */
async function routesOfApi(options?: Parameters<typeof testApi>[0]) {
  const routes: RouteOptions[] = [];
  const note = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', (route) => {
      routes.push(route);
    });
  };
  subscribe('fastify.initialization', note);
  onTestFinished(() => {
    unsubscribe('fastify.initialization', note);
  });
  const { app } = await testApi(options);
  return { app, routes: routes.filter(({ method }) => method !== 'HEAD') };
}

const row = ({ method, url, schema, config, bodyLimit }: RouteOptions): string =>
  [method, url, schema?.operationId, config?.permission ?? 'public', bodyLimit ?? '-'].map(String).join(' ');

it('[SEC-3] [SEC-13] [API-1] every route has an operation id, a permission and a largest body, and they are these', async () => {
  const { routes } = await routesOfApi();
  expect(routes.map(row).toSorted()).toEqual([
    'GET /health getHealth public -',
    'GET /ready getReadinessAlias public -',
    'GET /readyz getReadiness public -',
    'GET /v1/api-keys listApiKeys api_keys:read -',
    'GET /v1/audit listAuditEntries audit:read -',
    'GET /v1/job-types listJobTypes jobs:read -',
    'GET /v1/jobs listJobs jobs:read -',
    'GET /v1/jobs/:id getJob jobs:read -',
    'GET /v1/me getMe me:read -',
    'GET /v1/me/permissions getMyPermissions me:read -',
    'GET /v1/queues listQueues queues:read -',
    'GET /v1/workers listWorkers workers:read -',
    'POST /v1/api-keys createApiKey api_keys:write 4096',
    'POST /v1/api-keys/:id/revoke revokeApiKey api_keys:write 1024',
    'POST /v1/api-keys/:id/rotate rotateApiKey api_keys:write 4096',
    'POST /v1/jobs queueJob jobs:queue 262144',
    'POST /v1/jobs/:id/cancel cancelJob jobs:control 1024',
    'POST /v1/jobs/:id/retry retryJob jobs:control 1024',
    'POST /v1/jobs/batch queueJobs jobs:queue 4194304',
    'POST /v1/queues/:type/pause pauseQueue queues:control 1024',
    'POST /v1/queues/:type/purge purgeQueue queues:purge 1024',
    'POST /v1/queues/:type/redrive redriveQueue queues:control 1024',
    'POST /v1/queues/:type/resume resumeQueue queues:control 1024',
  ]);
});

it('[SEC-13] every parameter of a path, every query, every body and every answer has a schema', async () => {
  const { routes } = await routesOfApi();
  const faulty = routes.filter(
    ({ method, url, schema }) =>
      !schema?.response ||
      (url.includes(':') && !schema.params) ||
      (!PROBES.has(url) && !schema.querystring) ||
      (method !== 'GET' && !schema.body),
  );
  expect(faulty.map(row)).toEqual([]);
});

it('[SEC-8] [AV-3] every route and none at all is limited, but for the probes', async () => {
  const limits = { authenticatedPerMinute: LIMIT, anonymousPerMinute: LIMIT };
  const { app, routes } = await routesOfApi({ options: { limits } });
  const statusOf = async (method: Method, url: string): Promise<number> =>
    (await app.inject({ method, url })).statusCode;
  expect(await statusOf('GET', '/nowhere')).toBe(404);
  expect(await statusOf('GET', '/nowhere')).toBe(429);
  for (const { method, url } of routes) {
    expect([url, await statusOf(method as Method, url)]).toEqual([url, PROBES.has(url) ? 200 : 429]);
  }
});
