import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabase } from '#test/support/database.ts';
import { jobIn, webhookTo } from '#test/support/jobs.ts';
import { receiver } from '#test/support/receiver.ts';
import { type ServiceProcess, dragonfly } from '#test/support/service-process.ts';
import { type TestClient, testClient } from '#test/support/service.ts';
import { type TcpProxy, tcpProxy } from '#test/support/tcp-proxy.ts';
import { until } from '#test/support/until.ts';
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';

const ACQUIRE_MS = 500;
const STATEMENT_MS = 1000;
/** A client that gives a statement up is a second behind the server; the rest is for a busy machine. */
const LONGEST_ANSWER_MS = ACQUIRE_MS + STATEMENT_MS + 1000 + 2000;
const POST_EVERY_MS = 40;
const PROBE_EVERY_MS = 100;

const database = await testDatabase();
const wire = await tcpProxy(database.urls.admin);
const through = (url: string): string => Object.assign(new URL(url), { host: new URL(wire.url).host }).href;
const service = dragonfly(database, {
  DRAGONFLY_API_DATABASE_URL: through(database.urls.api),
  DRAGONFLY_WORKER_DATABASE_URL: through(database.urls.worker),
  DRAGONFLY_READINESS_TIMEOUT: '2s',
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: `${ACQUIRE_MS}ms`,
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: `${STATEMENT_MS}ms`,
});

/** Calls `act` again and again, whether or not the last call has ended. What they throw is thrown when it is stopped. */
function regularly(act: () => Promise<void>, intervalMs: number): () => Promise<void> {
  const calls: Promise<PromiseSettledResult<void>[]>[] = [];
  const timer = setInterval(() => calls.push(Promise.allSettled([act()])), intervalMs);
  onTestFinished(() => {
    clearInterval(timer);
  });
  return async () => {
    clearInterval(timer);
    const failed = (await Promise.all(calls)).flat().find((call) => call.status === 'rejected');
    if (failed) throw failed.reason;
  };
}

interface Answer {
  readonly response: Response;
  readonly ms: number;
}

function load(client: TestClient, url: string) {
  const answers: Answer[] = [];
  const stop = regularly(async () => {
    const startedAt = performance.now();
    const response = await client.request('POST', '/v1/jobs', webhookTo(url));
    answers.push({ response, ms: performance.now() - startedAt });
  }, POST_EVERY_MS);
  const withStatus = (status: number): Answer[] =>
    answers.filter(({ response }) => response.status === status);
  return { answers, withStatus, stop };
}

/** What the probes of a process answer; of each only the changes. */
function probe(url: string) {
  const seen: Record<'/health' | '/readyz', number[]> = { '/health': [], '/readyz': [] };
  const look = async (path: '/health' | '/readyz'): Promise<void> => {
    const { status } = await fetch(`${url}${path}`);
    if (seen[path].at(-1) !== status) seen[path].push(status);
  };
  const probes = [
    regularly(async () => await look('/health'), PROBE_EVERY_MS),
    regularly(async () => await look('/readyz'), PROBE_EVERY_MS),
  ];
  return {
    seen,
    stop: async () => {
      await Promise.all(probes.map(async (stop) => await stop()));
    },
  };
}

async function completed(ids: readonly string[], organizationId: string): Promise<number> {
  const connection = new Client({ connectionString: database.urls.readonly });
  await connection.connect();
  try {
    await connection.query("select set_config('ops.organization_id', $1, false)", [organizationId]);
    const text = "select from ops.jobs where id = any ($1) and status = 'completed'";
    return (await connection.query(text, [ids])).rowCount ?? 0;
  } finally {
    await connection.end();
  }
}

interface Outage {
  readonly begin: (wire: TcpProxy) => void | Promise<void>;
  readonly end: (wire: TcpProxy) => void | Promise<void>;
  readonly ms: number;
}

const OUTAGES: readonly (readonly [string, Outage])[] = [
  [
    'is gone for 10 s',
    { begin: async ({ close }) => await close(), end: async ({ open }) => await open(), ms: 10_000 },
  ],
  ['is silent for 4 s', { begin: ({ freeze }) => freeze(), end: ({ thaw }) => thaw(), ms: 4000 }],
];

it.for(OUTAGES)(
  '[AV-1] [AV-2] [AV-4] [Q-3] refuses, says so and loses no job while PostgreSQL %s',
  { timeout: 60_000 },
  async ([, outage]) => {
    const [api, worker] = await Promise.all([service.serve('api'), service.serve('worker')]);
    const processes: readonly ServiceProcess[] = [api, worker];
    const client = await testClient(database, api.apiUrl);
    const { url, received } = await receiver();

    const { answers, withStatus, stop } = load(client, url);
    await until(() => {
      expect(received.length).toBeGreaterThan(10);
    });
    const probes = processes.map(({ metricsUrl }) => probe(metricsUrl));
    await until(() => {
      for (const { seen } of probes) expect(seen).toEqual({ '/health': [200], '/readyz': [200] });
    });
    await outage.begin(wire);
    await sleep(outage.ms);
    const before = withStatus(201).length;
    await outage.end(wire);
    await until(() => {
      expect(withStatus(201).length).toBeGreaterThan(before + 10);
      for (const { seen } of probes) expect(seen['/readyz']).toEqual([200, 503, 200]);
    });
    await stop();

    expect(new Set(answers.map(({ response }) => response.status))).toEqual(new Set([201, 503]));
    for (const { response } of withStatus(503)) {
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
      // Those that wait behind the ones that PostgreSQL keeps may wait too long.
      const { code } = (await response.json()) as { code: string };
      expect(['database_unavailable', 'overloaded']).toContain(code);
    }
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(LONGEST_ANSWER_MS);

    const jobs = await Promise.all(withStatus(201).map(async ({ response }) => await jobIn(response)));
    const ids = jobs.map(({ id }) => id);
    await until(async () => {
      expect(await completed(ids, client.organizationId)).toBe(ids.length);
    });
    const delivered = new Set(received.map(({ headers }) => headers['webhook-id']));
    expect(ids.filter((id) => !delivered.has(id))).toEqual([]);

    await Promise.all(probes.map(async ({ stop }) => await stop()));
    for (const { seen } of probes) expect(seen).toEqual({ '/health': [200], '/readyz': [200, 503, 200] });
    for (const process of processes) {
      const readiness = process.logs().filter(({ message }) => String(message).startsWith('readiness'));
      expect(readiness).toMatchObject([
        { level: 'WARNING', message: 'readiness lost', services: { postgres: 'unavailable' } },
        { level: 'WARNING', message: 'readiness regained', services: { postgres: 'ok' } },
      ]);
      process.child.kill('SIGTERM');
      expect(await process.ended).toMatchObject({ code: 0, stderr: '' });
    }
  },
);

it('[AV-6] ends at SIGTERM although PostgreSQL is silent', async () => {
  const { child, ended, metricsUrl } = await service.serve('all');
  wire.freeze();
  onTestFinished(wire.thaw);
  await until(async () => {
    expect((await fetch(`${metricsUrl}/readyz`)).status).toBe(503);
  });
  const stoppedAt = performance.now();
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
  // The last claim, and then a goodbye.
  expect(performance.now() - stoppedAt).toBeLessThan(2 * LONGEST_ANSWER_MS);
});
