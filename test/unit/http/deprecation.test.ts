import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { documentOperation } from '#src/adapters/inbound/http/openapi-operation.ts';
import { type Deprecation, deprecation } from '#src/adapters/inbound/http/plugins/deprecation.ts';
import { problemDetails } from '#src/adapters/inbound/http/plugins/problem-details.ts';
import { HttpError } from '#src/adapters/inbound/http/problems/http-error.ts';
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ANY_LOAD, testApi } from './setup.ts';

const STATED: Deprecation = { since: '2026-03-01', sunset: '2027-03-01', successor: '/v2/things' };
const HEADERS = {
  deprecation: '@1772323200',
  sunset: 'Mon, 01 Mar 2027 00:00:00 GMT',
  link: '</v2/things>; rel="successor-version"',
};

/** An API of two routes, of which the old one is deprecated; who is not let in is refused before any route's own hook. */
async function apiWith(stated: Deprecation): Promise<FastifyInstance> {
  const app = Fastify();
  onTestFinished(async () => {
    await app.close();
  });
  await app.register(problemDetails);
  await app.register(deprecation);
  app.addHook('onRequest', (request, _reply, next) => {
    next('refuse' in (request.query as object) ? new HttpError('rate_limited') : undefined);
  });
  app.get('/new', () => ({}));
  app.get('/old', { config: { deprecation: stated } }, () => ({}));
  app.get('/broken', { config: { deprecation: stated } }, () => {
    throw new Error('A fault.');
  });
  return app;
}

describe('[API-2] a deprecated operation says so', () => {
  it.for([
    ['when it answers', 'GET', '/old', 200],
    ['when it is asked for its headers', 'HEAD', '/old', 200],
    ['when it fails', 'GET', '/broken', 500],
    ['when the caller is refused before', 'GET', '/old?refuse', 429],
  ] as const)('%s', async ([, method, url, status]) => {
    const app = await apiWith(STATED);
    const { statusCode, headers } = await app.inject({ method, url });
    expect(statusCode).toBe(status);
    expect(headers).toMatchObject(HEADERS);
  });

  it('with both links, where there is a guide too', async () => {
    const app = await apiWith({ ...STATED, guide: 'https://example.com/moving' });
    expect((await app.inject('/old')).headers['link']).toBe(
      '</v2/things>; rel="successor-version", <https://example.com/moving>; rel="deprecation"',
    );
  });

  it('without a link, where there is none', async () => {
    const { since, sunset } = STATED;
    const app = await apiWith({ since, sunset });
    const { headers } = await app.inject('/old');
    expect(headers).toMatchObject({ deprecation: HEADERS.deprecation, sunset: HEADERS.sunset });
    expect(headers).not.toHaveProperty('link');
  });

  it('and no other does, nor has a hook for it', async () => {
    const app = await apiWith(STATED);
    const hooks: unknown[] = [];
    app.addHook('onRoute', ({ onSend }) => {
      hooks.push(onSend);
    });
    app.get('/newest', { exposeHeadRoute: false }, () => ({}));
    expect(hooks).toEqual([undefined]);
    const answers = [await app.inject('/new'), await app.inject('/nowhere')];
    for (const { headers } of answers) {
      for (const name of Object.keys(HEADERS)) expect(headers).not.toHaveProperty(name);
    }
  });
});

describe('[API-2] the service does not start', () => {
  it.for([
    ['with a sunset before the deprecation', { since: '2026-03-02', sunset: '2026-03-01' }],
    ['with a day that is not', { since: '2026-02-30', sunset: '2026-12-01' }],
    ['with a month', { since: '2026-03', sunset: '2026-12-01' }],
    ['with a day that is no day', { since: 'soon', sunset: '2026-03-01' }],
    ['with a time of day', { since: '2026-03-01', sunset: '2026-03-01T08:00:00Z' }],
  ] as const)('%s', async ([, stated]) => {
    await expect(apiWith(stated)).rejects.toThrow(
      `GET /old is deprecated since ${stated.since}, its sunset is ${stated.sunset}: both are days`,
    );
  });
});

const routeWith = (stated?: Deprecation) =>
  ({ method: 'GET', url: '/old', config: stated && { deprecation: stated } }) as unknown as RouteOptions;
const schema = { summary: 'Old', description: 'An old one.', response: { 200: {} } };

describe('[API-2] the contract', () => {
  it('marks a deprecated operation and says until when there is time', () => {
    expect(documentOperation(schema, routeWith(STATED))).toMatchObject({
      deprecated: true,
      description:
        'An old one. Deprecated since 2026-03-01, may be gone from 2027-03-01 on. Use /v2/things instead.',
      'x-sunset': '2027-03-01',
    });
  });

  it('says nothing of others', () => {
    const documented = documentOperation(schema, routeWith());
    expect(documented).toMatchObject({ description: 'An old one.' });
    expect(documented).not.toHaveProperty('deprecated');
    expect(documented).not.toHaveProperty('x-sunset');
  });
});

/** The service itself, as if an operation of its were deprecated. */
async function serviceWith(stated: Deprecation, options: Parameters<typeof testApi>[0] = {}) {
  const deprecate = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', ({ url, config }) => {
      if (url === '/v1/workers' && config) config.deprecation = stated;
    });
  };
  subscribe('fastify.initialization', deprecate);
  onTestFinished(() => {
    unsubscribe('fastify.initialization', deprecate);
  });
  return await testApi(options);
}

const NOBODY = { authenticatedPerMinute: 0, anonymousPerMinute: 0 };

describe('[API-2] a deprecated operation of the service says so', () => {
  it.for([
    ['when it answers', {}, {}, 200],
    ['without a key', { headers: { authorization: '' } }, {}, 401],
    ['beyond the limit', {}, { options: { limits: NOBODY } }, 429],
    ['under too much load', {}, { options: { load: { ...ANY_LOAD, inFlight: 0, waiting: 0 } } }, 503],
  ] as const)('%s', async ([, request, options, status]) => {
    const service = await serviceWith(STATED, options);
    const { statusCode, headers } = await service.request({ url: '/v1/workers', ...request });
    expect(statusCode).toBe(status);
    expect(headers).toMatchObject(HEADERS);
    expect((await service.request({ url: '/v1/queues' })).headers).not.toHaveProperty('deprecation');
  });

  it('in its contract', async () => {
    const { app } = await serviceWith(STATED, { options: { docs: true } });
    await app.ready();
    const { paths = {} } = app.swagger();
    expect(paths['/v1/workers']?.get).toMatchObject({ deprecated: true, 'x-sunset': '2027-03-01' });
    expect(paths['/v1/queues']?.get).not.toHaveProperty('deprecated');
  });
});
