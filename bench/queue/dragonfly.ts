// The real worker on the real functions, with everything on but a line of the log for each job: the peers write none.
import { randomUUID } from 'node:crypto';
import { createWorker } from '../../src/adapters/inbound/worker/worker.ts';
import { createPool, query } from '../../src/adapters/outbound/postgres/pool.ts';
import { createWaker } from '../../src/adapters/outbound/postgres/wake.ts';
import { postgresQueueEvents } from '../../src/adapters/outbound/postgres/queue-events.ts';
import { postgresWorkerQueue } from '../../src/adapters/outbound/postgres/worker-queue.ts';
import { logDestination } from '../../src/adapters/outbound/telemetry/log-destination.ts';
import { createLogger } from '../../src/adapters/outbound/telemetry/logger.ts';
import { defineJob } from '../../src/application/jobs/define-job.ts';
import { registryOf } from '../../src/application/jobs/registry.ts';
import { noTracing } from '../../src/application/tracing.ts';
import type { WorkerQueue } from '../../src/application/worker/ports.ts';
import { DEFAULT_RETRY } from '../../src/domain/jobs/retry-policy.ts';
import { Client, type Pool } from 'pg';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { bootstrapDatabase, migrateDatabase } from '../../dev/database.ts';
import { newState } from '../../dev/state.ts';
import {
  type Backlog,
  type Engine,
  type Handler,
  TYPE,
  type Working,
  payloadOf,
  payloadsOf,
} from './engine.ts';

const CONNECTIONS = 4;
const OPTIONS = {
  concurrency: 24,
  pollIntervalMs: 500,
  heartbeatIntervalMs: 30_000,
  abortAfterMs: 45_000,
  drainTimeoutMs: 20_000,
  goodbyeTimeoutMs: 5000,
};

async function execute(databaseUrl: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The columns of a backlog's jobs: of five priorities where they are of other types. */
const JOB: Readonly<Record<Backlog['kind'], string>> = {
  ready: `'type', '${TYPE}'`,
  scheduled: `'type', '${TYPE}', 'run_at', now() + interval '1 day' + n * interval '10 ms'`,
  'other types': `'type', 'other ' || n % 4, 'priority', n % 5 - 2`,
  paused: `'type', 'paused', 'priority', n % 5 - 2`,
};

/** Queues `count` jobs a thousand at a time. */
const queueBacklog = ({ kind, count }: Backlog): string => `
  select count((select count(*) from ops.queue_jobs(jobs))) from (
    select jsonb_agg(jsonb_build_object(${JOB[kind]}, 'payload', '${JSON.stringify(payloadOf(0))}'::jsonb)) as jobs
      from generate_series(1, ${count}) n group by n / 1000) batches`;

/** Takes each claim that found nothing for an empty one, if a later one found something. */
function counting(queue: WorkerQueue) {
  const claims = { total: 0, empty: 0 };
  let inARow = 0;
  return {
    claims,
    queue: {
      ...queue,
      async claim(types, limit) {
        const jobs = await queue.claim(types, limit);
        claims.total += 1;
        if (jobs.length > 0) claims.empty += inARow;
        inARow = jobs.length > 0 ? 0 : inARow + 1;
        return jobs;
      },
    } satisfies WorkerQueue,
  };
}

/** By way of the pooler at that host, if there is one. */
function poolOf(databaseUrl: string, pooler: string | undefined, applicationName: string, max: number): Pool {
  const url = new URL(databaseUrl);
  if (pooler !== undefined) url.host = pooler;
  return createPool({
    url: url.href,
    applicationName,
    max,
    acquireTimeoutMs: 2000,
    statementTimeoutMs: 30_000,
    throughPooler: pooler !== undefined,
    onIdleError: () => {},
  });
}

const QUEUE_ONE = 'select to_wake from ops.queue_one_job($1, $2, null, null, null, null, null)';
const QUEUE_MANY = 'select bool_or(to_wake) as to_wake from ops.queue_jobs($1)';

/** As a service of Node has one, for the commits that woke nobody. */
const wakerOf = (pool: Pool) =>
  createWaker({ send: async (statement) => await query(pool, statement), onError: console.error });

/** @param url where it listens, directly */
async function startWorker(
  url: string,
  pool: Pool,
  types: readonly string[],
  handle: Handler,
): Promise<Working> {
  const id = `worker-${randomUUID()}`;
  const metrics = new Registry();
  const waker = wakerOf(pool);
  const { claims, queue } = counting(
    postgresWorkerQueue(pool, { id, hostname: 'bench', deadAfterMs: 60_000 }, waker.wake),
  );
  const worker = createWorker(OPTIONS, {
    queue,
    events: postgresQueueEvents({
      url: () => url,
      workerId: id,
      types,
      probeIntervalMs: 10_000,
      probeTimeoutMs: 5000,
      onError: console.error,
    }),
    registry: registryOf(
      types.map((type) =>
        defineJob({
          type,
          description: 'For the benchmark.',
          payload: z.looseObject({ n: z.int() }),
          retry: DEFAULT_RETRY,
          timeoutSeconds: 30,
          async handler(payload) {
            await handle(payload);
            return null;
          },
        }),
      ),
    ),
    ports: {
      webhooks: {
        send() {
          throw new Error('No webhook is sent here.');
        },
      },
    },
    logger: createLogger(
      { level: 'warning', service: 'bench', gitSha: '0'.repeat(40) },
      logDestination(metrics),
    ),
    tracing: noTracing,
    metrics,
  });
  await worker.start();
  return {
    claims,
    async stop() {
      await worker.drain();
      await waker.stop();
      await pool.end();
    },
  };
}

export const engineThrough = (pooler?: string): Engine => ({
  async install(databaseUrl) {
    const database = new URL(databaseUrl).pathname.slice(1);
    const { owner: _owner, ...urls } = await bootstrapDatabase(
      databaseUrl,
      { ...newState(), name: database },
      false,
    );
    await migrateDatabase({ ...urls, owner: databaseUrl });
  },
  async backlog(databaseUrl, backlog) {
    await execute(databaseUrl, queueBacklog(backlog), `select ops.pause_queue('paused')`);
  },
  /** The day that is over is today: its partition is dropped and made anew. */
  async retain(databaseUrl) {
    const today = "(now() at time zone 'UTC')::date";
    await execute(
      databaseUrl,
      `select ops.drop_day(${today}, 'infinity', 10000)`,
      `select ops.make_day(${today})`,
    );
  },
  async unfinished(client) {
    const { rows } = await client.query<{ jobs: number }>(
      'select coalesce(sum(depth + scheduled + processing), 0)::float8 as jobs from ops.queue_stats()',
    );
    return rows[0]?.jobs ?? 0;
  },
  async connect(databaseUrl, connections) {
    const pool = poolOf(databaseUrl, pooler, 'bench-producer', connections);
    const waker = wakerOf(pool);
    return {
      async enqueue(n) {
        const values = [TYPE, JSON.stringify(payloadOf(n))];
        const [row] = await query(pool, { name: 'one', text: QUEUE_ONE, values });
        if (row?.['to_wake'] === true) waker.wake([TYPE]);
      },
      async enqueueMany(from, count, type) {
        const jobs = payloadsOf(from, count).map((payload) => ({ type, payload }));
        const [row] = await query(pool, { name: 'many', text: QUEUE_MANY, values: [JSON.stringify(jobs)] });
        if (row?.['to_wake'] === true) waker.wake([type]);
      },
      work: async (types, handle) =>
        await startWorker(
          databaseUrl,
          poolOf(databaseUrl, pooler, 'bench-worker', CONNECTIONS),
          types,
          handle,
        ),
      close: async () => {
        await waker.stop();
        await pool.end();
      },
    };
  },
});

export const engine = engineThrough();
