import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabase } from '#test/support/database.ts';
import { webhookTo } from '#test/support/jobs.ts';
import { type ServiceProcess, dragonfly } from '#test/support/service-process.ts';
import { type TestClient, testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { expect, it } from 'vitest';

const DELAY_MS = 1000;
/** For the end of the process after the delay, on a busy machine. */
const SLACK_MS = 4000;

const database = await testDatabase();
const service = dragonfly(database);

const untilStopping = async ({ logged }: ServiceProcess): Promise<void> => {
  await until(() => {
    expect(logged('service stopping')).toHaveLength(1);
  });
};

/** Posts jobs one after the other. */
async function postUntil(over: AbortSignal, client: TestClient): Promise<Response[]> {
  const answers: Response[] = [];
  while (!over.aborted) {
    answers.push(await client.request('POST', '/v1/jobs', webhookTo('http://127.0.0.1:9')));
  }
  return answers;
}

async function post(agent: Agent, url: string, { key }: TestClient) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const sent = request(`${url}/v1/jobs`, { method: 'POST', agent, headers });
  sent.end(JSON.stringify(webhookTo('http://127.0.0.1:9')));
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  await text(answer);
  return { status: answer.statusCode, headers: answer.headers };
}

/** A request whose second half is sent later. */
function halfRequest({ apiUrl }: ServiceProcess, { key }: TestClient) {
  const { port, host } = new URL(apiUrl);
  const body = JSON.stringify(webhookTo('http://127.0.0.1:9'));
  const socket = connect(Number(port), '127.0.0.1');
  const head = [
    'POST /v1/jobs HTTP/1.1',
    `host: ${host}`,
    `authorization: Bearer ${key}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, 10)}`);
  return {
    async finish(): Promise<string> {
      socket.write(body.slice(10));
      return await text(socket);
    },
  };
}

it('[AV-6] answers at SIGTERM what is under way and what still comes, is not ready any more, then closes', async () => {
  const api = await service.serve('api', { DRAGONFLY_SHUTDOWN_DELAY: `${DELAY_MS}ms` });
  const client = await testClient(database, api.apiUrl);
  const half = halfRequest(api, client);
  const over = new AbortController();
  const clients = Array.from({ length: 4 }, async () => await postUntil(over.signal, client));
  await until(() => {
    expect(api.logged('request completed').length).toBeGreaterThan(20);
  });
  api.child.kill('SIGTERM');
  const stoppedAt = performance.now();
  await untilStopping(api);
  expect((await fetch(`${api.metricsUrl}/readyz`)).status).toBe(503);
  expect((await fetch(`${api.metricsUrl}/health`)).status).toBe(200);

  await sleep(DELAY_MS / 2);
  over.abort();
  for (const answers of await Promise.all(clients)) {
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    // Past the load balancer nobody keeps a connection on which it could still ask.
    expect(answers.at(-1)?.headers.get('connection')).toBe('close');
  }
  await until(async () => {
    await expect(fetch(`${api.apiUrl}/health`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  });
  expect(performance.now() - stoppedAt).toBeGreaterThan(DELAY_MS);
  expect(await half.finish()).toMatch(/^HTTP\/1\.1 201 Created\r\n(?:.+\r\n)*connection: close\r\n/i);
  expect(await api.ended).toMatchObject({ code: 0, stderr: '' });
  expect(performance.now() - stoppedAt).toBeLessThan(DELAY_MS + SLACK_MS);
});

it('[AV-6] gives its real answer to each request of clients that open no connection once it is not ready', async () => {
  const api = await service.serve('api', { DRAGONFLY_SHUTDOWN_DELAY: `${DELAY_MS}ms` });
  const client = await testClient(database, api.apiUrl);
  const notReady = new AbortController();
  let answers = 0;
  /** Asks on connections that it keeps, with a pause after each answer; throws when a request has none. */
  async function keepAsking(pauseMs: number): Promise<void> {
    while (!notReady.signal.aborted) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let kept = true; kept;) {
        const { status, headers } = await post(agent, api.apiUrl, client);
        expect(status).toBe(201);
        answers += 1;
        kept = headers.connection === 'keep-alive';
        if (kept) await sleep(pauseMs);
      }
      agent.destroy();
    }
  }
  const clients = Array.from({ length: 20 }, async (_, index) => await keepAsking(index * 20));
  await until(() => {
    expect(answers).toBeGreaterThan(100);
  });
  api.child.kill('SIGTERM');
  await until(async () => {
    expect((await fetch(`${api.metricsUrl}/readyz`)).status).toBe(503);
  });
  notReady.abort();
  await Promise.all(clients);
  expect(await api.ended).toMatchObject({ code: 0, stderr: '' });
  expect(api.logged('request completed')).toHaveLength(answers);
});

it.for(['SIGTERM', 'SIGINT'] as const)(
  'ends at once and with exit code 1 at %s while it stops',
  async (signal) => {
    const api = await service.serve('api', { DRAGONFLY_SHUTDOWN_DELAY: '20s' });
    api.child.kill('SIGTERM');
    await untilStopping(api);
    api.child.kill(signal);
    expect(await api.ended).toMatchObject({ code: 1, stderr: '' });
  },
);

it('ends as after SIGTERM when the parent that holds its IPC channel is gone', async () => {
  const all = await service.serve('all');
  all.child.disconnect();
  expect(await all.ended).toMatchObject({ code: 0, stderr: '' });
  expect(all.logged('service stopped')).toHaveLength(1);
});
