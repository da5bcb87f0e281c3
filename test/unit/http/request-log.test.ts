import { describe, expect, it } from 'vitest';
import { DomainError } from '#src/domain/errors.ts';
import { GIT_SHA, JOB, KEY, KEY_ID, type LogLine, UNKNOWN_KEY, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}?`;

/** What every line has. */
const line = (level: string, message: string, fields: LogLine): LogLine => ({
  timestamp: expect.any(String),
  service: 'dragonfly-test',
  git_sha: GIT_SHA,
  trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
  level,
  message,
  ...fields,
});
const route = '/v1/jobs/:id';

describe('[OBS-2] the log of a request', () => {
  it('is one line at INFO', async () => {
    const { request, logLines } = await testApi();
    await request({ url });
    expect(logLines()).toEqual([
      line('INFO', 'request completed', {
        method: 'GET',
        route,
        status: 200,
        duration_ms: expect.any(Number),
        actor: `api_key:${KEY_ID}`,
      }),
    ]);
  });

  it('has its receipt at DEBUG', async () => {
    const { request, logLines } = await testApi({ logLevel: 'debug' });
    await request({ url });
    expect(logLines()[0]).toEqual(line('DEBUG', 'request received', { method: 'GET', route }));
    expect(logLines()).toHaveLength(2);
  });

  it('warns of a faulty request, without what was in it', async () => {
    const { request, logLines } = await testApi();
    await request({ method: 'POST', url: '/v1/jobs', payload: { type: 'secret-1', 'secret-2': 'secret-3' } });
    expect(logLines()).toEqual([
      line('WARNING', 'validation failed', { code: 'validation_failed', faults: 2, route: '/v1/jobs' }),
      expect.objectContaining({ level: 'INFO', status: 422, code: 'validation_failed' }),
    ]);
    expect(JSON.stringify(logLines())).not.toContain('secret');
  });

  it('has an exception once, at ERROR', async () => {
    const { request, logLines } = await testApi({ fault: new TypeError('broken') });
    await request({ url });
    expect(logLines()).toEqual([
      line('ERROR', 'unhandled exception', {
        route,
        error: { type: 'TypeError', message: 'broken', stack: expect.any(String) },
      }),
      expect.objectContaining({ level: 'INFO', status: 500, code: 'internal_error' }),
    ]);
  });

  it('has a security violation at ERROR when a key is refused', async () => {
    const { request, logLines } = await testApi();
    await request({ url, headers: { authorization: `Bearer ${UNKNOWN_KEY}` } });
    expect(logLines()).toEqual([
      line('ERROR', 'security violation', { event: 'authentication_failed', route, address: '127.0.0.1' }),
      expect.objectContaining({ level: 'INFO', status: 401, code: 'unauthenticated' }),
    ]);
    expect(JSON.stringify(logLines())).not.toContain(UNKNOWN_KEY);
  });

  it('only warns when there is no key', async () => {
    const { app, logLines } = await testApi();
    await app.inject({ url });
    expect(logLines()[0]).toMatchObject({ level: 'WARNING', event: 'authentication_failed' });
  });

  it('says an outage of the database in the completion line only', async () => {
    const { request, logLines } = await testApi({ fault: new DomainError('database_unavailable', 'Gone.') });
    await request({ url });
    expect(logLines()).toEqual([expect.objectContaining({ status: 503, code: 'database_unavailable' })]);
  });

  it('knows no paths, queries or headers', async () => {
    const { request, logLines } = await testApi({ logLevel: 'debug' });
    await request({ url: '/secret-1/%zz?secret-2=1', headers: { cookie: 'secret-3' } });
    await request({ url: '/v1/jobs?cursor=secret-4', headers: { 'x-forwarded-for': 'secret-5' } });
    expect(logLines().map((entry) => entry['route'])).toContain('unmatched');
    expect(JSON.stringify(logLines())).not.toMatch(/secret/);
    expect(JSON.stringify(logLines())).not.toContain(KEY);
  });
});

it('[AV-3] never logs a probe', async () => {
  const { request, logLines } = await testApi({ logLevel: 'debug' });
  for (const url of ['/health', '/readyz', '/ready']) expect((await request({ url })).statusCode).toBe(200);
  expect(logLines()).toEqual([]);
});
