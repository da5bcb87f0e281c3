import { connect } from 'node:net';
import { exchange } from '#test/support/raw-http.ts';
import { describe, expect, it, vi } from 'vitest';
import { DomainError } from '#src/domain/errors.ts';
import { ANY_LOAD, GIT_SHA, JOB, KEY, KEY_ID, type LogLine, UNKNOWN_KEY, testApi } from './setup.ts';

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
const actor = `api_key:${KEY_ID}`;
/** The last line of a request that was refused. */
const refused = (status: number, code: string, fields: LogLine): LogLine =>
  line('INFO', 'request completed', { status, code, duration_ms: expect.any(Number), ...fields });

const ANYWHERE = { host: '127.0.0.1', port: 0 };
/** Without the line that says where the server listens. */
const linesOfRequests = (lines: readonly LogLine[]): LogLine[] =>
  lines.filter((entry) => 'trace_id' in entry);

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
        actor,
      }),
    ]);
  });

  it('has its receipt at DEBUG', async () => {
    const { request, logLines } = await testApi({ logLevel: 'debug' });
    await request({ url });
    expect(logLines()[0]).toEqual(line('DEBUG', 'request received', { method: 'GET', route }));
    expect(logLines().map(({ message }) => message)).toEqual(['request received', 'request completed']);
  });

  it('warns of a faulty request, without what was in it', async () => {
    const { request, logLines } = await testApi();
    await request({ method: 'POST', url: '/v1/jobs', payload: { type: 'secret-1', 'secret-2': 'secret-3' } });
    expect(logLines()).toEqual([
      line('WARNING', 'validation failed', { code: 'validation_failed', faults: 2, route: '/v1/jobs' }),
      refused(422, 'validation_failed', { method: 'POST', route: '/v1/jobs', actor }),
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
      refused(500, 'internal_error', { method: 'GET', route, actor }),
    ]);
  });

  it('has a security violation at ERROR when a key is refused', async () => {
    const { request, logLines } = await testApi();
    await request({ url, headers: { authorization: `Bearer ${UNKNOWN_KEY}` } });
    expect(logLines()).toEqual([
      line('ERROR', 'security violation', { event: 'authentication_failed', route, address: '127.0.0.1' }),
      refused(401, 'unauthenticated', { method: 'GET', route }),
    ]);
    expect(JSON.stringify(logLines())).not.toContain(UNKNOWN_KEY);
  });

  it('only warns when there is no key', async () => {
    const { app, logLines } = await testApi();
    await app.inject({ url });
    expect(logLines()[0]).toEqual(
      line('WARNING', 'security violation', { event: 'authentication_failed', route, address: '127.0.0.1' }),
    );
  });

  it('says an outage of the database in the completion line only', async () => {
    const { request, logLines } = await testApi({ fault: new DomainError('database_unavailable', 'Gone.') });
    await request({ url });
    expect(logLines()).toEqual([refused(503, 'database_unavailable', { method: 'GET', route, actor })]);
  });

  it('has no more than that line when it is shed', async () => {
    const load = Object.assign({}, ANY_LOAD, { inFlight: 0, inFlightSaturated: 0, waitMs: 1 });
    const { request, logLines } = await testApi({ options: { load } });
    await request({ url });
    expect(logLines()).toEqual([refused(503, 'overloaded', { method: 'GET', route })]);
  });

  it('says of what is no request only what it was refused as', async () => {
    const { app, logLines } = await testApi({ logLevel: 'debug' });
    const { answers } = await exchange(await app.listen(ANYWHERE), 'SECRET /path?a=b HTTP/1.1\r\n\r\n');
    expect(linesOfRequests(logLines())).toEqual([
      line('WARNING', 'malformed request refused', { status: 400, code: 'request_malformed' }),
    ]);
    expect(answers[0]?.headers['x-trace-id']).toBe(linesOfRequests(logLines())[0]?.['trace_id']);
  });

  it('ends with its abort when the client goes away, and has no fault', async () => {
    const asked = Promise.withResolvers<void>();
    const { app, logLines } = await testApi({
      onContext: async () => {
        asked.resolve();
        await new Promise(() => {});
      },
    });
    const { port } = new URL(await app.listen(ANYWHERE));
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET /v1/jobs/${JOB.id} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${KEY}\r\n\r\n`);
    await asked.promise;
    socket.destroy();
    await vi.waitFor(() => {
      expect(linesOfRequests(logLines())).toEqual([
        line('INFO', 'request aborted', { method: 'GET', route, actor }),
      ]);
    });
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
