import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeReadiness } from '#src/application/health/readiness.ts';
import type { Tracing } from '#src/application/tracing.ts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { GIT_SHA, JOB, KEY, type TestApi, principal, testApi } from './setup.ts';

interface Listening extends TestApi {
  /** Sends bytes as they are; fulfils with all that came back once the server ends the connection. */
  exchange(...parts: readonly string[]): Promise<string>;
  open(): Promise<Socket>;
}

async function listening(...overrides: Parameters<typeof testApi>): Promise<Listening> {
  const api = await testApi(...overrides);
  const { port } = new URL(await api.app.listen({ host: '127.0.0.1', port: 0 }));

  async function open(): Promise<Socket> {
    const socket = connect(Number(port), '127.0.0.1');
    onTestFinished(() => {
      socket.destroy();
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('connect', resolve).once('error', reject);
    await promise;
    return socket;
  }

  async function exchange(...parts: readonly string[]): Promise<string> {
    const socket = await open();
    const answer = received(socket);
    for (const part of parts) {
      socket.write(part);
      await sleep(20);
    }
    return await answer;
  }
  return { ...api, exchange, open };
}

async function received(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    resolve(text);
  });
  return await promise;
}

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\n${headers}\r\n`;
const post = (headers: string, body: string) =>
  `POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;

function parse(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
  return { head: head.toLowerCase(), problem: JSON.parse(body) as Record<string, unknown> };
}

describe('[API-3] [DEP-1] [SEC-14] what Node would answer by itself is a problem with our headers', () => {
  const bomb = 'x'.repeat(20_000);

  it.for([
    ['no HTTP', 'HELO example.com\r\n\r\n', 400, 'request_malformed'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'request_malformed'],
    ['two lengths', post('Content-Length: 1\r\nContent-Length: 2\r\n', 'x'), 400, 'request_malformed'],
    [
      'length and chunks',
      post('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
      400,
      'request_malformed',
    ],
    ['a broken chunk', post('Transfer-Encoding: chunked\r\n', 'ZZ\r\n'), 400, 'request_malformed'],
    ['a space in a header name', get('/health', 'X Y: 1\r\n'), 400, 'request_malformed'],
    ['headers without end', get('/health', `X-Bomb: ${bomb}\r\n`), 431, 'headers_too_large'],
    ['a URL without end', get(`/health?${bomb}`), 414, 'url_too_long'],
    ['no host', 'GET /v1/jobs HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'request_malformed'],
  ] as const)('%s', async ([, bytes, status, code]) => {
    const { exchange } = await listening();
    const { head, problem } = parse(await exchange(bytes));
    expect(head).toMatch(new RegExp(`^http/1.1 ${status} `));
    expect(head).toContain(`x-dragonfly-sha: ${GIT_SHA}`);
    expect(head).toContain('content-type: application/problem+json');
    expect(head).toContain('x-content-type-options: nosniff');
    expect(problem).toEqual({
      type: `urn:dragonfly:problem:${code.replaceAll('_', '-')}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  it('an expectation that we do not know is ignored', async () => {
    const { exchange } = await listening();
    const answer = await exchange(
      get(`/v1/jobs/${JOB.id}`, 'Expect: the-unexpected\r\nConnection: close\r\n'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('[OBS-2] [OBS-4] and logged without what was sent, and counted', async () => {
    const { exchange, logLines, registry } = await listening();
    await exchange('SECRET /path HTTP/1.1\r\n\r\n');
    const line = logLines().find(({ level }) => level === 'WARNING');
    expect(line).toMatchObject({
      message: 'malformed request refused',
      status: 400,
      code: 'request_malformed',
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(JSON.stringify(logLines())).not.toContain('SECRET');
    expect(await registry.metrics()).toContain('http_malformed_requests_total{code="request_malformed"} 1\n');
  });
});

it('[SEC-13] ends a body that is larger than announced or allowed', async () => {
  const { exchange } = await listening();
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  const answer = await exchange(
    post('Transfer-Encoding: chunked\r\n', ''),
    chunk,
    chunk,
    chunk,
    chunk,
    chunk,
  );
  expect(parse(answer).problem).toMatchObject({ status: 413, code: 'body_too_large' });
});

it('[OBS-2] [OBS-4] [OBS-5] a client that went away is logged, counted, and the end of its span, not a fault of ours', async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const spans: unknown[] = [];
  const tracing: Tracing = {
    startSpan: () => ({ traceparent: '', end: (...end) => spans.push(end) }),
  };
  const { open, logLines, registry } = await listening({
    dependencies: { tracing },
    onContext: async () => {
      asked.resolve();
      await answer.promise;
    },
  });
  const socket = await open();
  socket.write(get(`/v1/jobs/${JOB.id}`));
  await asked.promise;
  socket.destroy();
  await vi.waitFor(() => {
    expect(logLines()).toContainEqual(
      expect.objectContaining({ level: 'INFO', message: 'request aborted', route: '/v1/jobs/:id' }),
    );
  });
  answer.resolve();
  await sleep(50);
  expect(logLines().filter(({ level }) => level !== 'INFO')).toEqual([]);
  expect(spans).toEqual([
    [{ 'http.request.method': 'GET', 'http.route': '/v1/jobs/:id', 'error.type': 'aborted' }, false],
  ]);
  const text = await registry.metrics();
  expect(text).toContain('http_requests_aborted_total{method="GET",route="/v1/jobs/:id"} 1\n');
  expect(text).not.toContain('http_request_duration_seconds_count{');
});

it('[SEC-9] still knows a client that went away while its key was looked up', async () => {
  const looking = Promise.withResolvers<void>();
  const found = Promise.withResolvers<void>();
  const { open, logLines } = await listening({
    dependencies: {
      authenticate: Object.assign(
        async () => {
          looking.resolve();
          await found.promise;
          return principal('api_key:1');
        },
        { known: () => undefined },
      ),
    },
  });
  const socket = await open();
  socket.write(get(`/v1/jobs/${JOB.id}`));
  await looking.promise;
  socket.destroy();
  await sleep(50);
  found.resolve();
  await sleep(50);
  expect(logLines().filter(({ level }) => level === 'ERROR')).toEqual([]);
});

it('[AV-6] finishes what is in flight while closing, and tells the client not to come back', async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const readiness = makeReadiness({ checks: [], timeoutMs: 100, onChange: () => {} });
  const { app, open } = await listening({
    dependencies: { readiness },
    onContext: async () => {
      asked.resolve();
      await answer.promise;
    },
  });
  const [busy, idle] = [await open(), await open()];
  const [response, nothing] = [received(busy), received(idle)];
  busy.write(get(`/v1/jobs/${JOB.id}`));
  await asked.promise;

  readiness.stop();
  const closed = app.close();
  expect(await nothing).toBe('');
  answer.resolve();
  await closed;
  expect(await response).toMatch(/^HTTP\/1\.1 200 /);
  expect((await response).toLowerCase()).toContain('\r\nconnection: close\r\n');
});
