import type { Authenticate } from '#src/application/access/authenticate.ts';
import { authentication } from '#src/adapters/inbound/http/plugins/authentication.ts';
import { clientAddress } from '#src/adapters/inbound/http/plugins/client-address.ts';
import { problemDetails } from '#src/adapters/inbound/http/plugins/problem-details.ts';
import { rateLimit } from '#src/adapters/inbound/http/plugins/rate-limit.ts';
import Fastify, { type InjectOptions } from 'fastify';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { JOB, KEY, type TestApi, UNKNOWN_KEY, principal, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;
const limits = { authenticatedPerMinute: 4, anonymousPerMinute: 2 };
const anonymous = { url, headers: { authorization: '' } };

const from = (address: string) => ({
  ...anonymous,
  headers: { authorization: '', 'x-forwarded-for': address },
});

/** Every key is good, and one of its own. */
const anyKey: Authenticate = Object.assign(async (key: string) => principal(`api_key:${key}`), {
  known: () => undefined,
});

const statusesOfSix = async (send: () => Promise<{ statusCode: number }>): Promise<number[]> =>
  (await Promise.all(Array.from({ length: 6 }, send))).map(({ statusCode }) => statusCode);

describe('[SEC-8] the rate limit', () => {
  it('is higher with a good key than without', async () => {
    const { app, request } = await testApi({ options: { limits } });
    expect(await statusesOfSix(async () => await app.inject({ url }))).toEqual([
      401, 401, 429, 429, 429, 429,
    ]);
    expect(await statusesOfSix(async () => await request({ url }))).toEqual([200, 200, 200, 200, 429, 429]);
  });

  it('tells a client with a key on every answer where it stands with the limit that is closer', async () => {
    const { request } = await testApi({ options: { limits } });
    const policy = '"authenticated";q=4;w=60, "principal";q=4;w=60';
    for (const left of [3, 2, 1, 0]) {
      expect((await request({ url })).headers).toMatchObject({
        'ratelimit-policy': policy,
        ratelimit: `"authenticated";r=${left};t=60`,
      });
    }
    const refused = await request({ url });
    expect(refused.json()).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(refused.headers).toMatchObject({
      'ratelimit-policy': policy,
      ratelimit: expect.stringMatching(/^"authenticated";r=0;t=(?:59|60)$/),
      'retry-after': expect.stringMatching(/^(?:59|60)$/),
    });
  });

  it('tells how much is left and when to come back', async () => {
    const { request } = await testApi({ options: { limits } });
    const first = await request(anonymous);
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"anonymous";q=2;w=60',
      ratelimit: '"anonymous";r=1;t=60',
    });
    await request(anonymous);
    const refused = await request(anonymous);
    expect(refused.json()).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(refused.headers).toMatchObject({
      ratelimit: '"anonymous";r=0;t=60',
      'retry-after': expect.stringMatching(/^(?:59|60)$/),
    });
  });

  it('counts a refused key as anonymous', async () => {
    const { request } = await testApi({ options: { limits } });
    const guess = { url, headers: { authorization: `Bearer ${UNKNOWN_KEY}` } };
    expect((await request(guess)).statusCode).toBe(401);
    expect((await request(guess)).statusCode).toBe(401);
    expect((await request(guess)).statusCode).toBe(429);
  });

  it.for(['/nowhere', '/%zz', '/docs/'])('holds for %s', async (url) => {
    const { request } = await testApi({ options: { limits, docs: true } });
    for (const _ of [1, 2]) expect((await request({ ...anonymous, url })).statusCode).not.toBe(429);
    expect((await request({ ...anonymous, url })).statusCode).toBe(429);
  });

  it.for(['/health', '/readyz', '/ready'])('[AV-3] does not hold for the probe %s', async (url) => {
    const { request } = await testApi({ options: { limits } });
    for (const _ of Array.from({ length: 5 })) expect((await request({ url })).statusCode).toBe(200);
  });
});

const at = (address: string, key = KEY) => ({
  url,
  headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': address },
});
const statusesOf = async (api: TestApi, requests: readonly InjectOptions[]): Promise<number[]> => {
  const statuses = [];
  for (const request of requests) statuses.push((await api.request(request)).statusCode);
  return statuses;
};

describe('[SEC-8] a client with a key', () => {
  const trustedProxies = ['127.0.0.0/8'];
  it('has the limit of its key at all its addresses together', async () => {
    const api = await testApi({ options: { limits, trustedProxies } });
    const requests = ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4', '5.5.5.5'].map((address) => at(address));
    expect(await statusesOf(api, requests)).toEqual([200, 200, 200, 200, 429]);
    expect((await api.request(at('6.6.6.6'))).headers['ratelimit']).toContain('"principal";r=0');
  });

  it('has the limit of its address with all its keys together', async () => {
    const api = await testApi({ options: { limits }, dependencies: { authenticate: anyKey } });
    const requests = ['a', 'b', 'c', 'd', 'e'].map((key) => at('1.1.1.1', key));
    expect(await statusesOf(api, requests)).toEqual([200, 200, 200, 200, 429]);
  });

  it('pays nothing of its key where its address is full', async () => {
    const api = await testApi({
      options: { limits, trustedProxies },
      dependencies: { authenticate: anyKey },
    });
    await statusesOf(api, Array<InjectOptions>(4).fill(at('1.1.1.1', 'a')));
    expect(await statusesOf(api, Array<InjectOptions>(9).fill(at('1.1.1.1', 'b')))).toEqual(
      Array(9).fill(429),
    );
    expect(await statusesOf(api, [at('2.2.2.2', 'b')])).toEqual([200]);
  });

  it('is not held back by what others at its address do without one', async () => {
    const api = await testApi({ options: { limits } });
    for (const status of [401, 401, 429]) expect((await api.app.inject({ url })).statusCode).toBe(status);
    expect(await statusesOf(api, [{ url }])).toEqual([200]);
  });
});

it('[SEC-8] a route may have a narrower limit of its own', async () => {
  const app = Fastify();
  await app.register(problemDetails);
  await app.register(clientAddress);
  const registry = new Registry();
  await app.register(authentication, { authenticate: anyKey, limits, registry });
  await app.register(rateLimit, { limits, permits: undefined, registry });
  app.get('/narrow', { config: { rateLimit: { max: 1 } } }, async () => 'once');
  app.get('/wide', async () => 'often');
  expect(() => app.get('/odd', { config: { rateLimit: { max: () => 1 } } }, async () => '')).toThrow(
    'GET /odd: the limit and the window of a route are constants.',
  );
  onTestFinished(async () => {
    await app.close();
  });
  const headers = { authorization: 'Bearer any' };
  const get = async (url: string) => await app.inject({ url, headers });

  expect((await get('/narrow')).statusCode).toBe(200);
  const refused = await get('/narrow');
  expect(refused.json()).toMatchObject({ status: 429, code: 'rate_limited' });
  expect(refused.headers['retry-after']).toBe('60');
  expect(Object.keys(refused.headers)).not.toContain('x-ratelimit-limit');
  expect((await get('/wide')).statusCode).toBe(200);
  expect(await registry.metrics()).toContain(
    'rate_limit_decisions_total{limit="GET /narrow",decision="refused"} 1',
  );
});

it('[OBS-4] what a limit decides is counted', async () => {
  const { app, request, registry } = await testApi({ options: { limits } });
  for (const _ of [1, 2, 3]) await app.inject({ url });
  for (const _ of [1, 2, 3, 4, 5]) await request({ url });
  const text = await registry.metrics();
  const counts = [...text.matchAll(/^rate_limit_decisions_total\{limit="(.*)",decision="(.*)"\} (\d+)$/gm)];
  expect(counts.map(([, ...count]) => count.join(' '))).toEqual([
    'anonymous admitted 2',
    'anonymous refused 1',
    'authenticated admitted 4',
    'authenticated refused 1',
    'principal admitted 4',
    'principal refused 0',
  ]);
});

describe('[SEC-9] the limit counts', () => {
  it('the socket’s address, whatever X-Forwarded-For says', async () => {
    const { request } = await testApi({ options: { limits } });
    for (const address of ['1.1.1.1', '2.2.2.2']) await request(from(address));
    expect((await request(from('3.3.3.3'))).statusCode).toBe(429);
  });

  it('the last address that a trusted proxy did not add itself', async () => {
    const { request } = await testApi({
      options: { limits, trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] },
    });
    await request(from('6.6.6.1, 203.0.113.9, 10.1.1.1'));
    await request(from('6.6.6.2, 203.0.113.9, 10.1.1.2'));
    expect((await request(from('6.6.6.3, 203.0.113.9'))).statusCode).toBe(429);
    expect((await request(from('203.0.113.10'))).statusCode).toBe(401);
  });

  it('an IPv6 client by its /64', async () => {
    const { request } = await testApi({ options: { limits, trustedProxies: ['127.0.0.0/8'] } });
    await request(from('2001:db8:1:2::1'));
    await request(from('2001:db8:1:2:ffff::2'));
    expect((await request(from('2001:db8:1:2::3'))).statusCode).toBe(429);
    expect((await request(from('2001:db8:1:3::1'))).statusCode).toBe(401);
  });
});
