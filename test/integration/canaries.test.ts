import { randomBytes } from 'node:crypto';
import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
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

/** What leaves the process but for the answers themselves. */
async function leftBy(process: ServiceProcess): Promise<string> {
  const metrics = await (await fetch(`${process.metricsUrl}/metrics`)).text();
  return `${process
    .logs()
    .map((line) => JSON.stringify(line))
    .join('\n')}\n${metrics}`;
}

function expectNone(text: string, canaries: Readonly<Record<string, string>>): void {
  const seen = Object.entries(canaries).filter(([, value]) => text.includes(value));
  expect(seen.map(([place]) => place)).toEqual([]);
}

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
  answers += (await exchange(process.apiUrl, `${sent.line} / HTTP/1.1\r\n\r\n`)).text;

  const { id } = (await queued.json()) as { id: string };
  await untilJob(client, id, { status: 'completed' });
  expect(target.received[0]?.body).toContain(sent.payload);
  const left = await leftBy(process);
  process.child.kill('SIGTERM');
  await process.ended;

  const spans = collector.received.map(({ body }) => body).join('\n');
  expect(spans).toContain('POST /v1/jobs');
  expect(left).toContain('"message":"request completed"');
  const { field, parameter, ...unsaid } = sent;
  expectNone(`${left}\n${spans}`, { ...sent, ...secrets });
  // A fault is named by its field or parameter, which only the client that sent it sees.
  expect(answers).toContain(field);
  expect(answers).toContain(parameter);
  expectNone(answers, { ...unsaid, ...secrets });
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
