import { describe, expect, it } from 'vitest';
import type { SharedCounters } from '#src/adapters/inbound/http/counter-store.ts';
import { JOB, UNKNOWN_KEY, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;
const limits = { authenticatedPerMinute: 4, anonymousPerMinute: 2 };
const anonymous = { url, headers: { authorization: '' } };

const from = (address: string) => ({
  ...anonymous,
  headers: { authorization: '', 'x-forwarded-for': address },
});

describe('[SEC-8] the rate limit', () => {
  it('is higher with a good key than without', async () => {
    const { request } = await testApi({ options: { limits } });
    const statuses = async (options: object) =>
      (await Promise.all(Array.from({ length: 6 }, () => request({ url, ...options })))).map(
        ({ statusCode }) => statusCode,
      );
    expect(await statuses(anonymous)).toEqual([401, 401, 429, 429, 429, 429]);
    expect(await statuses({})).toEqual([200, 200, 200, 200, 429, 429]);
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

describe('[SEC-8] shared counters', () => {
  it('count for all replicas, each window once', async () => {
    const keys: [string, number][] = [];
    const counters: SharedCounters = {
      increment: async (key, windowMs) => {
        keys.push([key, windowMs]);
        return { count: keys.length, remainingMs: 1500 };
      },
    };
    const { request } = await testApi({ options: { limits }, dependencies: { counters } });
    await request(anonymous);
    expect((await request(anonymous)).headers['ratelimit']).toBe('"anonymous";r=0;t=2');
    expect((await request(anonymous)).statusCode).toBe(429);
    expect(keys[0]).toEqual(['anonymous:127.0.0.1', 60_000]);
  });

  it('are replaced by a stricter limit of the process while they do not answer', async () => {
    let away = true;
    const counters: SharedCounters = {
      increment: async () => {
        if (away) throw new Error('ECONNREFUSED redis.internal');
        return { count: 1, remainingMs: 60_000 };
      },
    };
    const { request, logLines } = await testApi({ options: { limits }, dependencies: { counters } });
    const statuses = [];
    for (const _ of [1, 2, 3]) statuses.push((await request({ url })).statusCode);
    expect(statuses).toEqual([200, 200, 429]);
    away = false;
    expect((await request({ url })).statusCode).toBe(200);

    const warnings = logLines().filter(({ level }) => level === 'WARNING');
    expect(warnings.map(({ message }) => message)).toEqual([
      'rate limits counted in this process only',
      'rate limits shared again',
    ]);
  });
});
