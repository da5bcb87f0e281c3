import { randomBytes } from 'node:crypto';
import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { asAdmin } from '#test/support/cluster.ts';
import { testDatabase } from '#test/support/database.ts';
import { untilJob, webhookTo } from '#test/support/jobs.ts';
import { exchange } from '#test/support/raw-http.ts';
import { receiver } from '#test/support/receiver.ts';
import { type ServiceProcess, dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { tcpProxy } from '#test/support/tcp-proxy.ts';
import { until } from '#test/support/until.ts';
import { expect, it } from 'vitest';

/** A text that is nowhere else in the world. */
const canary = (): string => `canary-${randomBytes(8).toString('hex')}`;

const database = await testDatabase();
const service = dragonfly(database);

/** What a process has said but for its answers; it ends with it, so that nothing is still to be written. */
async function leftBy(process: ServiceProcess): Promise<string> {
  const metrics = await (await fetch(`${process.metricsUrl}/metrics`)).text();
  process.child.kill('SIGTERM');
  await process.ended;
  return `${process
    .logs()
    .map((line) => JSON.stringify(line))
    .join('\n')}\n${metrics}`;
}

function expectNone(text: string, canaries: Readonly<Record<string, string>>): void {
  const seen = Object.entries(canaries).filter(([, value]) => text.includes(value));
  expect(seen.map(([place]) => place)).toEqual([]);
}

/** What else a request may say of its client. */
const HEADERS = [
  'Host',
  'Authorization',
  'Proxy-Authorization',
  'Accept',
  'Accept-Language',
  'Origin',
  'Access-Control-Request-Headers',
  'Referer',
  'From',
  'Forwarded',
  'Traceparent',
  'Tracestate',
  'Baggage',
  'X-Trace-Id',
  'If-None-Match',
  'Expect',
] as const;

it('[SEC-1] [AV-5] [OBS-2] what a client sends, and the secrets of the service, are in no line, span, metric or answer', async () => {
  const collector = await receiver();
  const target = await receiver();
  const secret = `${canary()}-and-more-bytes-so-that-it-is-long`;
  const process = await service.serve('all', {
    LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    DRAGONFLY_WEBHOOK_SECRET: secret,
  });
  const client = await testClient(database, process.apiUrl);
  const { key: unknownKey } = newApiKey();
  const named = Object.fromEntries(HEADERS.map((name) => [name, canary()]));
  const sent = {
    cookie: canary(),
    apiKeyHeader: canary(),
    userAgent: canary(),
    forwarded: canary(),
    query: canary(),
    parameter: canary(),
    path: canary(),
    field: canary(),
    value: canary(),
    type: canary(),
    text: canary(),
    line: canary(),
    payload: canary(),
    header: canary(),
    rtsp: canary(),
    trailer: canary(),
    extension: canary(),
  };
  const secrets = {
    key: client.key,
    unknownKey,
    secret,
    apiPassword: new URL(database.urls.api).password,
    workerPassword: new URL(database.urls.worker).password,
  };
  const headers = {
    cookie: `session=${sent.cookie}`,
    'x-api-key': sent.apiKeyHeader,
    'user-agent': sent.userAgent,
    'x-forwarded-for': sent.forwarded,
  };

  let answers = '';
  const note = async (response: Response): Promise<Response> => {
    answers += `${JSON.stringify([...response.headers])}${await response.clone().text()}`;
    return response;
  };
  const job = webhookTo(`${target.url}/${sent.path}`, {
    payload: { url: target.url, body: { [sent.payload]: sent.payload }, headers: { 'x-token': sent.header } },
  });
  const queued = await note(await client.request('POST', '/v1/jobs', job, headers));
  await note(
    await client.request('GET', `/v1/jobs?cursor=${sent.query}&${sent.parameter}=1`, undefined, headers),
  );
  await note(await client.request('GET', `/v1/jobs/${sent.path}`, undefined, headers));
  await note(await client.request('GET', `/${sent.path}?token=${sent.query}`, undefined, headers));
  await note(await client.request('POST', '/v1/jobs', { type: sent.type, payload: sent.value }, headers));
  await note(await client.request('POST', '/v1/jobs', { type: 1, [sent.field]: sent.value }, headers));
  await note(await client.request('POST', '/v1/jobs', undefined, { authorization: `Bearer ${unknownKey}` }));
  const malformed = { 'content-type': 'application/json', authorization: `Bearer ${client.key}` };
  const body = `{"a":${sent.text}`;
  await note(await fetch(`${process.apiUrl}/v1/jobs`, { method: 'POST', headers: malformed, body }));
  const chunks = `2;a=${sent.extension}\r\n{}\r\n0\r\nX-Trailer: ${sent.trailer}\r\n\r\n`;
  const lines = HEADERS.map((name) => `${name}: ${named[name]}\r\n`).join('');
  for (const bytes of [
    `${sent.line} / HTTP/1.1\r\n\r\n`,
    `DESCRIBE /${sent.rtsp}?a=${sent.rtsp} RTSP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n`,
    `GET /v1/jobs HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`,
    `OPTIONS /v1/jobs HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`,
    `POST /v1/jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks}`,
  ]) {
    answers += (await exchange(process.apiUrl, bytes)).text;
  }

  const { id } = (await queued.json()) as { id: string };
  await untilJob(client, id, { status: 'completed' });
  expect(target.received[0]?.body).toContain(sent.payload);
  const left = await leftBy(process);

  const spans = collector.received.map(({ body }) => body).join('\n');
  expect(spans).toContain('POST /v1/jobs');
  expect(left).toContain('"message":"request completed"');
  const { field, parameter, ...unsaid } = sent;
  expectNone(`${left}\n${spans}`, { ...sent, ...named, ...secrets });
  // A fault is named by its field or parameter, which only the client that sent it sees.
  expect(answers).toContain(field);
  expect(answers).toContain(parameter);
  expectNone(answers, { ...unsaid, ...named, ...secrets });
});

it(
  '[SEC-1] [AV-5] what an error knows of its database is in no line, metric or answer',
  { timeout: 60_000 },
  async () => {
    const wire = await tcpProxy(database.urls.admin);
    const url = Object.assign(new URL(database.urls.api), { host: new URL(wire.url).host });
    const process = await service.serve('api', {
      LOG_LEVEL: 'debug',
      DRAGONFLY_API_DATABASE_URL: url.href,
      DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: '500ms',
    });
    const client = await testClient(database, process.apiUrl);
    expect((await client.request('GET', '/v1/queues')).status).toBe(200);
    await wire.close();

    let answers = '';
    await until(async () => {
      const response = await client.request('GET', '/v1/queues');
      answers += await response.text();
      expect(response.status).toBe(503);
      const ready = await fetch(`${process.apiUrl}/readyz`);
      answers += await ready.text();
      expect(ready.status).toBe(503);
    });
    const { password, host, username, port } = url;
    expect(answers).not.toBe('');
    expectNone(answers, { password, host, username, port, sql: 'select', file: '.ts', driver: 'ECONN' });
    expectNone(await leftBy(process), { password, url: url.href });
  },
);

it('[SEC-1] [AV-5] [OBS-2] what an error carries with it is in no line, span, metric or answer', async () => {
  const collector = await receiver();
  const process = await service.serve('api', {
    LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  });
  const client = await testClient(database, process.apiUrl);
  // PostgreSQL then tells the whole row, in the detail of its error.
  await asAdmin(database.urls.admin, async (admin) => {
    await admin.query('alter table ops.job add constraint canary check (max_attempts <> 99) not valid');
  });
  const sent = { payload: canary(), uniqueKey: canary() };
  const payload = { url: 'https://a.example', body: sent.payload };
  const job = webhookTo('', { payload, max_attempts: 99, unique_key: sent.uniqueKey });
  const response = await client.request('POST', '/v1/jobs', job);
  const answer = await response.text();
  expect(response.status).toBe(500);
  const left = await leftBy(process);
  expect(process.logged('unhandled exception')).toEqual([
    expect.objectContaining({ error: expect.objectContaining({ code: '23514' }) }),
  ]);
  const spans = collector.received.map(({ body }) => body).join('\n');
  expect(spans).toContain('POST /v1/jobs');
  expectNone(`${left}\n${spans}\n${answer}`, { ...sent, row: 'Failing row' });
  expectNone(answer, { constraint: 'canary', sql: 'ops.', file: '.ts' });
});

it(
  '[SEC-1] [AV-8] a start that fails says why without the secrets that it was given',
  { timeout: 60_000 },
  async () => {
    const password = canary();
    const secret = canary();
    const { port } = new URL((await receiver()).url);
    const given = {
      DRAGONFLY_API_DATABASE_URL: `postgres://${canary()}:${password}@127.0.0.1:${port}/nothing`,
      DRAGONFLY_START_TIMEOUT: '1s',
    };
    const away = await service.run(['api'], {
      ...given,
      DRAGONFLY_REDIS_URL: `redis://:${secret}@127.0.0.1:${port}`,
    });
    const refused = await service.run(['api'], { ...given, PORT: secret, DRAGONFLY_CORS_ORIGINS: secret });
    for (const { code, stdout, stderr } of [away, refused]) {
      expect(code).toBeGreaterThan(0);
      expect(stdout + stderr).not.toBe('');
      expectNone(stdout + stderr, { password, secret });
    }
  },
);
