import { describe, expect, it } from 'vitest';
import { JOB, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;
const origin = 'https://app.example.com';
const preflight = {
  method: 'OPTIONS' as const,
  url: '/v1/jobs',
  headers: { origin, 'access-control-request-method': 'POST', authorization: '' },
};

describe('[SEC-10] CORS', () => {
  it('denies all origins by default', async () => {
    const { request } = await testApi();
    expect((await request({ url, headers: { origin } })).headers).not.toHaveProperty(
      'access-control-allow-origin',
    );
    expect((await request(preflight)).headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('lets a listed origin read the answer and its headers', async () => {
    const { request } = await testApi({ options: { corsOrigins: [origin] } });
    expect((await request({ url, headers: { origin } })).headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': expect.stringContaining('x-trace-id'),
      vary: 'Origin',
    });
  });

  it('answers the preflight of a listed origin without a key', async () => {
    const { request } = await testApi({ options: { corsOrigins: [origin] } });
    const response = await request(preflight);
    expect(response.statusCode).toBe(204);
    expect(response.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': expect.stringContaining('authorization'),
    });
  });

  it('denies an origin that is not listed', async () => {
    const { request } = await testApi({ options: { corsOrigins: [origin] } });
    for (const other of ['https://app.example.com.evil.test', 'http://app.example.com', 'null']) {
      const { headers } = await request({ url, headers: { origin: other } });
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });

  it('lets all origins read with *', async () => {
    const { request } = await testApi({ options: { corsOrigins: ['*'] } });
    expect((await request({ url, headers: { origin } })).headers['access-control-allow-origin']).toBe('*');
  });

  it.for([[], [origin], ['*']])(
    'has no part in OPTIONS that no browser asks, with origins %j',
    async (corsOrigins) => {
      const { request } = await testApi({ options: { corsOrigins } });
      const response = await request({ url, method: 'OPTIONS' });
      expect([response.statusCode, response.body]).toEqual([204, '']);
      expect(response.headers).toMatchObject({ allow: 'GET, HEAD, OPTIONS' });
      expect(response.headers).not.toHaveProperty('access-control-allow-methods');
    },
  );

  it('lets a listed origin read a refusal, too', async () => {
    const { request } = await testApi({ options: { corsOrigins: [origin] } });
    const response = await request({ url, headers: { origin, authorization: '' } });
    expect(response.statusCode).toBe(401);
    expect(response.headers['access-control-allow-origin']).toBe(origin);
  });
});
