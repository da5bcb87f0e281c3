import { METHODS, type Server } from 'node:http';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import { buildOpsApp } from '#src/adapters/inbound/http/ops-app.ts';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { makeReadiness } from '#src/application/health/readiness.ts';
import { type RawAnswer, exchange } from '#test/support/raw-http.ts';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { ANY_LOAD, GIT_SHA, KEY, testApi } from './setup.ts';

const KIB = 1024;
const ANSWER_MS = 45_000;

/** Every setting of node:http's server, with the reason for its value. */
const OF_NODE: Readonly<Record<string, unknown>> = {
  // Time: what is set here ends a slow loris, a hung handler and a dead connection, in this order.
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  timeout: 60_000, // Fastify's connectionTimeout: nothing moved
  keepAliveTimeout: 75_000, // beyond the 60 s of load balancers
  keepAliveTimeoutBuffer: 1000, // Node's: what is already on its way when the time is over
  connectionsCheckingInterval: 5000, // how much later than its time a request may be refused
  // Size
  maxHeaderSize: 16 * KIB,
  maxHeadersCount: 100,
  highWaterMark: 64 * KIB, // Node's: beyond it a client that reads nothing is read from no more
  // Number
  maxConnections: undefined, // shedding counts requests; what is idle is bounded by keepAliveTimeout
  dropMaxConnection: undefined,
  maxRequestsPerSocket: 0, // Node would answer the next one by itself
  // Parser
  insecureHTTPParser: false,
  httpValidation: undefined, // strict, as it cannot be together with the one above
  requireHostHeader: false, // the hook of server.ts, whose answer keeps the laws
  joinDuplicateHeaders: undefined, // the first key counts, and no list of keys
  rejectNonStandardBodyWrites: false, // ours to our own answers; HEAD relies on it
  // Socket
  noDelay: true, // an answer is one write; nothing is to be waited for
  keepAlive: false, // a dead peer is ended by the time-outs above
  keepAliveInitialDelay: 0,
  allowHalfOpen: true, // Node's: a client may end its side after its request
  httpAllowHalfOpen: false,
  pauseOnConnect: false,
};

/** The same of Fastify. */
const OF_FASTIFY: Readonly<Record<string, unknown>> = {
  connectionTimeout: 60_000,
  keepAliveTimeout: 75_000,
  requestTimeout: 30_000,
  handlerTimeout: 0, // answer-timeout.ts: 45 s
  pluginTimeout: 10_000,
  http2SessionTimeout: 72_000, // there is no HTTP/2
  bodyLimit: 256 * KIB,
  maxRequestsPerSocket: 0,
  maxParamLength: 900,
  onProtoPoisoning: 'error',
  onConstructorPoisoning: 'error',
  allowUnsafeRegex: false,
  caseSensitive: true, // one URL for one thing
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  useSemicolonDelimiter: false,
  compile: false, // speed, no bound
  exposeHeadRoutes: true,
  requestIdHeader: false, // the trace context decides
  requestIdLogLabel: 'reqId', // not these two but the log controller of server.ts
  disableRequestLogging: false,
};

const withoutFunctions = (settings: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => typeof value !== 'function'));

/** Node keeps its settings as members of the server; what begins with `_` is its state. */
function settingsOf({ server }: FastifyInstance): Record<string, unknown> {
  const own = Object.entries(withoutFunctions(server)).filter(([name]) => !name.startsWith('_'));
  const { maxConnections, dropMaxConnection } = server as Server & { readonly dropMaxConnection?: boolean };
  return { ...Object.fromEntries(own), maxConnections, dropMaxConnection };
}

async function opsApp(): Promise<FastifyInstance> {
  const logger = createLogger({ level: 'error', service: 'test', gitSha: GIT_SHA }, { write: () => {} });
  const readiness = makeReadiness({ checks: [], timeoutMs: 100, onChange: () => {} });
  const registry = new Registry();
  const app = await buildOpsApp(
    { gitSha: GIT_SHA, metricsTokens: () => undefined },
    { readiness, logger, registry, security: createSecurityLog(registry, logger) },
  );
  onTestFinished(async () => {
    await app.close();
  });
  return app;
}

it.for([
  ['API', async () => (await testApi()).app],
  ['metrics', opsApp],
] as const)('[SEC-13] every bound of the listener of the %s is one that was chosen', async ([, build]) => {
  const app = await build();
  await app.ready();
  expect(settingsOf(app)).toEqual(OF_NODE);
  expect(withoutFunctions({ ...app.initialConfig, ...app.initialConfig.routerOptions })).toEqual({
    ...OF_FASTIFY,
    routerOptions: expect.any(Object),
  });
});

const problemOf = (answer: RawAnswer | undefined): unknown => JSON.parse(answer?.body ?? '');
const asked = (first: string, headers = ''): string =>
  `${first}\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${KEY}\r\n${headers}\r\n`;

it('[SEC-13] [API-3] a request of more headers than there may be is refused, the last of them unread', async () => {
  const { app } = await testApi();
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const most = await exchange(url, asked('GET /v1/jobs HTTP/1.1', 'a: b\r\n'.repeat(97)));
  const more = await exchange(url, asked('GET /v1/jobs HTTP/1.1', `${'a: b\r\n'.repeat(97)}Host: b\r\n`));
  expect(most.answers).toMatchObject([{ status: 200 }]);
  expect(more.answers).toMatchObject([{ status: 431, headers: SECURITY_HEADERS }]);
  expect(problemOf(more.answers[0])).toMatchObject({ code: 'headers_too_large' });
});

it('[SEC-8] [OBS-2] [DEP-1] [SEC-14] no method goes past the laws, not even those of other protocols', async () => {
  const { app, logLines } = await testApi();
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const rtsp = ['DESCRIBE', 'SETUP', 'PLAY', 'TEARDOWN', 'GET_PARAMETER', 'RECORD', 'FLUSH'];
  const methods = METHODS.filter((method) => method !== 'CONNECT');
  for (const first of [
    ...methods.map((method) => `${method} /nowhere HTTP/1.1`),
    ...rtsp.map((method) => `${method} /nowhere RTSP/1.0`),
    'SOURCE /nowhere ICE/1.0',
  ]) {
    const { answers } = await exchange(url, asked(first));
    expect([first, answers]).toMatchObject([
      first,
      [{ headers: { ...SECURITY_HEADERS, 'x-dragonfly-sha': GIT_SHA, ratelimit: expect.any(String) } }],
    ]);
    expect(answers[0]?.status).toBe(first.endsWith('RTSP/1.0') ? 400 : 404);
  }
  const lines = logLines();
  expect(lines.filter(({ message }) => message === 'request completed')).toHaveLength(methods.length + 8);
  expect(lines.filter(({ message }) => String(message).includes('404'))).toEqual([]);
});

it.for([
  ['an answer', (hang: PromiseWithResolvers<void>) => hang.resolve()],
  [
    'an error',
    ({ reject }: PromiseWithResolvers<void>) =>
      reject(Object.assign(new Error('too late'), { detail: 'canary' })),
  ],
] as const)(
  '[API-3] [OBS-2] 503 when a handler hangs, and its late end changes nothing: %s',
  async ([, end]) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const asking = Promise.withResolvers<void>();
    const hang = Promise.withResolvers<void>();
    const { request, logLines } = await testApi({
      onContext: async () => {
        asking.resolve();
        await hang.promise;
      },
    });
    const answer = request({ url: `/v1/jobs?type=canary` });
    await asking.promise;
    vi.advanceTimersByTime(ANSWER_MS);
    expect(logLines()).toEqual([]);
    vi.advanceTimersByTime(1000);

    const { statusCode, headers, json } = await answer;
    expect(statusCode).toBe(503);
    expect(headers).toMatchObject({ ...SECURITY_HEADERS, 'retry-after': '5' });
    expect(json()).toMatchObject({ code: 'answer_timeout', trace_id: headers['x-trace-id'] });
    expect(logLines()).toEqual([
      expect.objectContaining({ level: 'ERROR', message: 'unhandled exception', route: '/v1/jobs' }),
      expect.objectContaining({ message: 'request completed', status: 503, code: 'answer_timeout' }),
    ]);
    end(hang);
    await new Promise(setImmediate);
    expect(
      logLines()
        .slice(2)
        .filter(({ level }) => level !== 'ERROR'),
    ).toEqual([]);
    expect(JSON.stringify(logLines())).not.toContain('canary');
  },
);

it('[SEC-13] a page that is not there is not found, whatever its route could be asked', async () => {
  const { request } = await testApi({ options: { docs: true } });
  for (const url of ['/docs/static/nowhere', '/docs/static/.env', '/docs/static/..%2f..%2fpackage.json']) {
    expect((await request({ url })).json()).toMatchObject({ code: 'route_not_found' });
  }
  expect((await request({ url: '/docs/static/nowhere', method: 'DELETE' })).statusCode).toBe(405);
});

it('[OBS-2] [AV-7] nothing is answered, or said, late of a client that went away while it waited', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { app, logLines } = await testApi({ options: { load: { ...ANY_LOAD, inFlight: 0 } } });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const said = (): unknown[] =>
    logLines()
      .slice(1)
      .map(({ message }) => message); // after "listening"
  const leaving = new AbortController();
  const gone = fetch(`${url}/v1/jobs`, {
    signal: leaving.signal,
    headers: { authorization: `Bearer ${KEY}` },
  });
  app.server.once('request', () =>
    setTimeout(() => {
      leaving.abort();
    }, 50),
  );
  await expect(gone).rejects.toThrow('aborted');
  await vi.waitFor(() => {
    expect(said()).toEqual(['request aborted']);
  });
  vi.advanceTimersByTime(2 * ANSWER_MS);
  expect(said()).toEqual(['request aborted']);
});
