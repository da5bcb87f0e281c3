import { describe, expect, it } from 'vitest';
import { JOB, testApi } from './setup.ts';

const job = `/v1/jobs/${JOB.id}`;

/** Every path, with what may be done there. */
const PATHS = [
  ['/health', 'GET, HEAD, OPTIONS'],
  ['/readyz', 'GET, HEAD, OPTIONS'],
  ['/ready', 'GET, HEAD, OPTIONS'],
  ['/v1/jobs', 'GET, HEAD, OPTIONS, POST'],
  ['/v1/jobs?limit=1', 'GET, HEAD, OPTIONS, POST'],
  // A job's path, too.
  ['/v1/jobs/batch', 'GET, HEAD, OPTIONS, POST'],
  [job, 'GET, HEAD, OPTIONS'],
  [`${job}/cancel`, 'OPTIONS, POST'],
  [`${job}/retry`, 'OPTIONS, POST'],
  ['/v1/queues', 'GET, HEAD, OPTIONS'],
  ['/v1/queues/webhook.deliver/pause', 'OPTIONS, POST'],
  ['/v1/queues/webhook.deliver/resume', 'OPTIONS, POST'],
  ['/v1/workers', 'GET, HEAD, OPTIONS'],
  ['/v1/job-types', 'GET, HEAD, OPTIONS'],
] as const;

describe('a method that the path does not have is refused with those that it has:', () => {
  it.for(PATHS)('%s', async ([url, allow]) => {
    const { request } = await testApi();
    for (const method of ['DELETE', 'PUT', 'PATCH', 'PROPFIND'] as const) {
      const payload = method === 'PROPFIND' ? '' : 'not JSON';
      const response = await request({ method, url, payload });
      expect(response.json()).toMatchObject({ status: 405, code: 'method_not_allowed' });
      expect(response.headers['allow']).toBe(allow);
    }
  });
});

describe('OPTIONS tells the methods, without a key, of', () => {
  it.for(PATHS)('%s', async ([url, allow]) => {
    const { app } = await testApi();
    const response = await app.inject({ method: 'OPTIONS', url });
    expect([response.statusCode, response.headers['allow'], response.body]).toEqual([204, allow, '']);
  });
});

it.for(['DELETE', 'OPTIONS', 'PROPFIND'] as const)('%s of an unknown path is not found', async (method) => {
  const { request } = await testApi();
  for (const url of ['/', '/v1', '/v1/', '/v1/jobs/', `${job}/`, `${job}/cancel/1`, '/v1/queues/a/b', '*']) {
    const response = await request({ method, url });
    expect(response.json()).toMatchObject({ status: 404, code: 'route_not_found' });
    expect(response.headers).not.toHaveProperty('allow');
  }
});

describe('HEAD has the status and headers of GET, and no body, for', () => {
  it.for(PATHS.filter(([, allow]) => allow.startsWith('GET')))('%s', async ([url]) => {
    const { request } = await testApi();
    const [head, get] = [await request({ method: 'HEAD', url }), await request({ url })];
    expect([head.statusCode, head.body]).toEqual([get.statusCode, '']);
    expect(Object.keys(head.headers)).toEqual(Object.keys(get.headers));
    expect(head.headers['content-type']).toBe(get.headers['content-type']);
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });
});

describe('Accept', () => {
  it.for([
    '*/*',
    '',
    'application/json',
    'application/*;q=0.1',
    'text/html, application/xhtml+xml, */*;q=0.8',
    'Application/JSON; charset=utf-8',
    'application/json, */*;q=0',
  ])('%j takes JSON', async (accept) => {
    const { request } = await testApi();
    expect((await request({ url: job, headers: { accept } })).statusCode).toBe(200);
  });

  it.for([
    'text/html',
    'application/xml',
    'application/json;q=0',
    '*/*;q=0.000',
    '*/*, application/json; q=0.0',
    ';,;',
  ])('%j does not', async (accept) => {
    const contexts: unknown[] = [];
    const { request } = await testApi({ onContext: (context) => contexts.push(context) });
    const response = await request({ method: 'POST', url: `${job}/cancel`, headers: { accept } });
    expect(response.json()).toMatchObject({ status: 406, code: 'not_acceptable' });
    expect(contexts).toEqual([]);
  });
});
