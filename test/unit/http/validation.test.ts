import { describe, expect, it } from 'vitest';
import { JOB, testApi } from './setup.ts';

const good = { type: 'webhook.deliver', payload: { url: 'https://example.com/hook', body: {} } };

async function faultsOf(body: unknown, url = '/v1/jobs'): Promise<unknown> {
  const { request } = await testApi();
  const response = await request({
    method: 'POST',
    url,
    payload: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  expect(response.statusCode).toBe(422);
  return response.json().errors;
}

describe('[SEC-13] POST /v1/jobs refuses', () => {
  it.for([
    ['no payload', { payload: undefined }, '#/payload'],
    ['no type', { type: undefined }, '#/type'],
    ['an empty type', { type: '' }, '#/type'],
    ['a long type', { type: 'x'.repeat(101) }, '#/type'],
    ['a NUL in the type', { type: 'a\0' }, '#/type'],
    ['a lone surrogate in the unique key', { unique_key: 'a\uD800' }, '#/unique_key'],
    ['a long unique key', { unique_key: 'x'.repeat(201) }, '#/unique_key'],
    ['too urgent', { priority: 101 }, '#/priority'],
    ['half a priority', { priority: 0.5 }, '#/priority'],
    ['an unknown field', { attempts: 3 }, '#/attempts'],
    ['too many attempts', { max_attempts: 101 }, '#/max_attempts'],
    ['a deadline after more than a day', { timeout_seconds: 86_401 }, '#/timeout_seconds'],
    ['a back-off that shrinks', { backoff: { factor: 0.5 } }, '#/backoff/factor'],
    ['an unknown field of the back-off', { backoff: { jitter: 1 } }, '#/backoff/jitter'],
    ['a time without offset', { run_at: '2026-11-21T08:00:00' }, '#/run_at'],
    ['a day that is not', { run_at: '2026-02-30T08:00:00Z' }, '#/run_at'],
    ['an offset that is none', { run_at: '2026-11-21T08:00:00+23:00' }, '#/run_at'],
    ['a time before time', { run_at: '0000-01-01T00:00:00Z' }, '#/run_at'],
    ['infinity', { run_at: 'infinity' }, '#/run_at'],
  ] as const)('%s', async ([, fault, pointer]) => {
    expect(await faultsOf({ ...good, ...fault })).toEqual([{ pointer, detail: expect.any(String) }]);
  });

  it('all faults at once', async () => {
    const faults = await faultsOf({ type: 1, priority: 'x', 'a/b~c': true });
    expect(faults).toMatchObject([
      { pointer: '#/type' },
      { pointer: '#/payload' },
      { pointer: '#/priority' },
      { pointer: '#/a~1b~0c' },
    ]);
  });

  it('but names at most a hundred of them', async () => {
    const hostile = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`field${n}`, n]));
    expect(await faultsOf({ ...good, ...hostile })).toHaveLength(100);
  });

  it('a body that is nested too deep, before anything looks at it', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const { request } = await testApi();
    const response = await request({
      method: 'POST',
      url: '/v1/jobs',
      payload: deep,
      headers: { 'content-type': 'application/json' },
    });
    expect(response.json()).toMatchObject({ status: 422, errors: [{ pointer: '#' }] });
  });

  it.for([null, [], 'text', 7, true])('%j as a body', async (body) => {
    expect(await faultsOf(body)).toMatchObject([{ pointer: '#' }]);
  });
});

describe('[SEC-13] POST /v1/jobs accepts', () => {
  it.for([
    ['a time with an offset and nanoseconds', { run_at: '2026-11-21T09:00:00.123456789+01:00' }],
    // How far ahead is for the clock of the database to say, not for ours.
    ['a far future', { run_at: '2999-12-31T23:59:59Z' }],
    ['the least priority', { priority: -100 }],
    ['a unique key of 200 characters', { unique_key: 'ü'.repeat(200) }],
  ] as const)('%s', async ([, addition]) => {
    const { request } = await testApi();
    const response = await request({ method: 'POST', url: '/v1/jobs', payload: { ...good, ...addition } });
    expect(response.statusCode).toBe(201);
    expect(response.headers['location']).toBe(`/v1/jobs/${JOB.id}`);
  });
});

const WITHOUT_BODY = [
  `/v1/jobs/${JOB.id}/cancel`,
  `/v1/jobs/${JOB.id}/retry`,
  `/v1/queues/${JOB.type}/pause`,
  `/v1/queues/${JOB.type}/resume`,
];

describe('[SEC-13] an operation that takes no body', () => {
  it.for(WITHOUT_BODY)('refuses one, as POST %s does', async (url) => {
    expect(await faultsOf({ a: 1 }, url)).toEqual([{ pointer: '#/a', detail: 'Unknown field.' }]);
    for (const body of [[], [1, 2], 'text', 7, false]) {
      expect(await faultsOf(body, url)).toEqual([{ pointer: '#', detail: expect.any(String) }]);
    }
  });

  it.for(WITHOUT_BODY)('accepts what says nothing, as POST %s does', async (url) => {
    const { request } = await testApi();
    const headers = { 'content-type': 'application/json' };
    for (const payload of ['null', '{}', '']) {
      const { statusCode } = await request({ method: 'POST', url, payload, headers });
      expect([payload, statusCode]).toEqual([payload, url.startsWith('/v1/jobs') ? 200 : 204]);
    }
    expect((await request({ method: 'POST', url })).statusCode).toBeLessThan(300);
  });
});

it('[SEC-13] an empty body is no body, whatever type it claims to have, of POST /v1/jobs, which needs one', async () => {
  const { request } = await testApi();
  const headers = { 'content-type': 'application/json' };
  const response = await request({ method: 'POST', url: '/v1/jobs', payload: '', headers });
  expect(response.json()).toMatchObject({ status: 422, errors: [{ pointer: '#' }] });
});

describe('[SEC-13] POST /v1/jobs/batch', () => {
  it('refuses none and more than a thousand', async () => {
    expect(await faultsOf({ jobs: [] }, '/v1/jobs/batch')).toMatchObject([{ pointer: '#/jobs' }]);
    const jobs = Array.from({ length: 1001 }, () => good);
    expect(await faultsOf({ jobs }, '/v1/jobs/batch')).toMatchObject([{ pointer: '#/jobs' }]);
  });

  it('names the faulty job', async () => {
    const jobs = [good, { ...good, priority: 1000 }];
    expect(await faultsOf({ jobs }, '/v1/jobs/batch')).toMatchObject([{ pointer: '#/jobs/1/priority' }]);
  });

  it('accepts a thousand jobs that are larger together than one may be', async () => {
    const large = { ...good, payload: { url: 'https://example.com', body: 'x'.repeat(2000) } };
    const { request } = await testApi();
    const response = await request({
      method: 'POST',
      url: '/v1/jobs/batch',
      payload: { jobs: Array.from({ length: 1000 }, () => large) },
    });
    expect(response.statusCode).toBe(201);
    expect(response.json().jobs).toHaveLength(1000);
  });
});

describe('[SEC-13] parameters are refused by name', () => {
  it.for([
    ['/v1/jobs/not-a-uuid', 'id'],
    ['/v1/jobs?limit=0', 'limit'],
    ['/v1/jobs?limit=101', 'limit'],
    ['/v1/jobs?limit=1&limit=2', 'limit'],
    ['/v1/jobs?status=done', 'status'],
    ['/v1/jobs?type=%00', 'type'],
    ['/v1/jobs?created_from=yesterday', 'created_from'],
    ['/v1/jobs?created_before=2026-13-01T00:00:00Z', 'created_before'],
    ['/v1/jobs?page=2', 'page'],
  ] as const)('%s', async ([url, parameter]) => {
    const { request } = await testApi();
    const response = await request({ url });
    expect(response.json()).toMatchObject({
      status: 422,
      code: 'validation_failed',
      errors: [{ parameter }],
    });
  });
});

describe('[SEC-13] an operation without parameters of a query refuses any:', () => {
  it.for([
    ...['/v1/workers', '/v1/queues', '/v1/job-types', `/v1/jobs/${JOB.id}`].map(
      (url) => ['GET', url] as const,
    ),
    ...WITHOUT_BODY.map((url) => ['POST', url] as const),
  ])('%s %s', async ([method, url]) => {
    const { request } = await testApi();
    for (const name of ['foo', '__proto__', 'constructor']) {
      const response = await request({ method, url: `${url}?${name}=1` });
      expect(response.json()).toMatchObject({
        status: 422,
        code: 'validation_failed',
        errors: [{ parameter: name, detail: 'Unknown field.' }],
      });
    }
  });

  it('HEAD, too', async () => {
    const { request } = await testApi();
    expect((await request({ method: 'HEAD', url: '/v1/workers?foo=1' })).statusCode).toBe(422);
    expect((await request({ method: 'HEAD', url: '/v1/workers?' })).statusCode).toBe(200);
  });
});

describe('[API-6] a cursor', () => {
  it('leads from page to page until there is none', async () => {
    const { request } = await testApi();
    const first = await request({ url: '/v1/jobs?limit=1' });
    const { next_cursor: cursor } = first.json();
    expect(cursor).toEqual(expect.stringMatching(/^[\w-]+$/));
    expect((await request({ url: `/v1/jobs?limit=1&cursor=${cursor}` })).statusCode).toBe(200);
  });

  it.for(['', 'x', Buffer.from('2026-11-21T08:00:00Z x').toString('base64url'), 'a'.repeat(200)])(
    'is refused when it is %j',
    async (cursor) => {
      const { request } = await testApi();
      const response = await request({ url: `/v1/jobs?cursor=${cursor}` });
      expect(response.json()).toMatchObject({ status: 422, code: 'cursor_invalid' });
    },
  );
});
