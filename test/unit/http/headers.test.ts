import { describe, expect, it } from 'vitest';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { makeReadiness } from '#src/application/health/readiness.ts';
import { GIT_SHA, JOB, testApi } from './setup.ts';

const ANSWERS = [
  ['a probe', { url: '/health' }],
  ['a job', { url: `/v1/jobs/${JOB.id}` }],
  ['a HEAD', { url: `/v1/jobs/${JOB.id}`, method: 'HEAD' as const }],
  ['an unknown route', { url: '/nowhere' }],
  ['a method that there is not', { url: '/v1/jobs', method: 'DELETE' as const }],
  ['an OPTIONS', { url: '/v1/jobs', method: 'OPTIONS' as const }],
  ['a badly encoded URL', { url: '/%zz' }],
  ['a missing key', { url: '/v1/jobs', headers: { authorization: '' } }],
  ['a preflight', { url: '/v1/jobs', method: 'OPTIONS' as const, headers: { origin: 'https://a.example' } }],
] as const;

describe('the answer to', () => {
  it.for(ANSWERS)('[DEP-1] [SEC-14] %s has the commit and the security headers', async ([, options]) => {
    const { request } = await testApi({ options: { corsOrigins: ['https://a.example'] } });
    const { headers } = await request(options);
    expect(headers).toMatchObject({ 'x-dragonfly-sha': GIT_SHA, ...SECURITY_HEADERS });
  });
});

describe('[AV-6] from the start of shutdown the answer ends the connection, to', () => {
  it.for(ANSWERS)('%s', async ([, options]) => {
    const readiness = makeReadiness({ checks: [], timeoutMs: 100, onChange: () => {} });
    const { request } = await testApi({
      options: { corsOrigins: ['https://a.example'] },
      dependencies: { readiness },
    });
    expect((await request(options)).headers['connection']).not.toBe('close');
    readiness.stop();
    expect((await request(options)).headers['connection']).toBe('close');
  });
});

it('[SEC-14] lets the page of the documentation load its own parts, and only there', async () => {
  const { request } = await testApi({ options: { docs: true } });
  const page = await request({ url: '/docs/' });
  expect(page.statusCode).toBe(200);
  expect(page.headers['content-security-policy']).toContain("default-src 'self'");
  expect((await request({ url: '/v1/jobs' })).headers['content-security-policy']).toContain(
    "default-src 'none'",
  );
});

it('writes at most 19 headers itself, from where on they would cost much more (decision 0011)', async () => {
  const { request } = await testApi({ options: { corsOrigins: ['https://a.example'] } });
  const { statusCode, headers } = await request({
    method: 'POST',
    url: '/v1/jobs',
    headers: { origin: 'https://a.example' },
    payload: { type: 'webhook.deliver', payload: { url: 'https://b.example/hook', body: {} } },
  });
  const byNode = new Set(['connection', 'date', 'keep-alive']);
  expect(statusCode).toBe(201);
  expect(Object.keys(headers).filter((name) => !byNode.has(name)).length).toBeLessThanOrEqual(19);
});
