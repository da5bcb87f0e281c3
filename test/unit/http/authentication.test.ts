import { describe, expect, it } from 'vitest';
import type { Authenticate } from '#src/application/access/authenticate.ts';
import { DomainError } from '#src/domain/errors.ts';
import { JOB, KEY, UNKNOWN_KEY, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;

const failing = (error: Error): Authenticate =>
  Object.assign(
    async () => {
      throw error;
    },
    { known: () => undefined },
  );

/** Every operation of the contract, but the probes. */
const OPERATIONS = [
  ['POST', '/v1/jobs'],
  ['POST', '/v1/jobs/batch'],
  ['GET', '/v1/jobs'],
  ['GET', url],
  ['HEAD', url],
  ['POST', `${url}/cancel`],
  ['POST', `${url}/retry`],
  ['GET', '/v1/queues'],
  ['POST', '/v1/queues/webhook.deliver/pause'],
  ['POST', '/v1/queues/webhook.deliver/resume'],
  ['GET', '/v1/workers'],
  ['GET', '/v1/job-types'],
] as const;

describe('[SEC-3] without a key', () => {
  it.for(OPERATIONS)('%s %s is refused', async ([method, url]) => {
    const { app } = await testApi();
    const response = await app.inject({ method, url });
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toBe('Bearer');
  });

  it('the probes, an unknown route, and the documentation answer', async () => {
    const { app } = await testApi({ options: { docs: true } });
    const statusOf = async (url: string) => (await app.inject({ url })).statusCode;
    expect(await statusOf('/health')).toBe(200);
    expect(await statusOf('/readyz')).toBe(200);
    expect(await statusOf('/nowhere')).toBe(404);
    expect(await statusOf('/docs/')).toBe(200);
    expect(await statusOf('/docs/json')).toBe(200);
  });

  it('there is no documentation where it is off', async () => {
    const { app } = await testApi({ options: { docs: false } });
    expect((await app.inject({ url: '/docs/' })).statusCode).toBe(404);
    expect((await app.inject({ url: '/docs/json' })).statusCode).toBe(404);
  });
});

describe('[SEC-3] a request is', () => {
  it.for(['Bearer', 'bearer', 'BEARER  '])('accepted with a good key after %j', async (scheme) => {
    const { app } = await testApi();
    const headers = { authorization: `${scheme} ${KEY}` };
    expect((await app.inject({ url, headers })).statusCode).toBe(200);
  });

  it.for([
    ['an unknown key', `Bearer ${UNKNOWN_KEY}`],
    ['a key with a typing error', `Bearer ${KEY.slice(0, -1)}~`],
    ['another scheme', `Basic ${KEY}`],
    ['no scheme', KEY],
    ['two keys', `Bearer ${KEY} ${KEY}`],
    ['nothing after the scheme', 'Bearer '],
  ] as const)('refused with %s', async ([, authorization]) => {
    const { app } = await testApi();
    const response = await app.inject({ url, headers: { authorization } });
    expect(response.json()).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('told to come back when the key cannot be checked', async () => {
    const { request } = await testApi({
      options: { limits: { anonymousPerMinute: 1, authenticatedPerMinute: 5 } },
      dependencies: { authenticate: failing(new DomainError('database_unavailable', 'Try again.')) },
    });
    for (const _ of [1, 2, 3]) {
      const response = await request({ url });
      expect(response.json()).toMatchObject({ status: 503, code: 'database_unavailable' });
      expect(response.headers['ratelimit']).toContain('"authenticated"');
    }
  });

  it('an internal error when authentication itself breaks', async () => {
    const { request } = await testApi({ dependencies: { authenticate: failing(new TypeError('broken')) } });
    expect((await request({ url })).json()).toMatchObject({ status: 500, code: 'internal_error' });
  });
});
