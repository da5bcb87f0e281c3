import { randomUUID } from 'node:crypto';
import { type WorkerOptions, createWorker } from '#src/adapters/inbound/worker/worker.ts';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueEvents } from '#src/adapters/outbound/postgres/queue-events.ts';
import { createWaker } from '#src/adapters/outbound/postgres/wake.ts';
import { postgresWorkerQueue } from '#src/adapters/outbound/postgres/worker-queue.ts';
import { type JobDefinition, defineJob } from '#src/application/jobs/define-job.ts';
import { registryOf } from '#src/application/jobs/registry.ts';
import { noTracing } from '#src/application/tracing.ts';
import { type WorkerQueue, noQueueEvents } from '#src/application/worker/ports.ts';
import type { RetryPolicy } from '#src/domain/jobs/retry-policy.ts';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { z } from 'zod';

/** A worker that is dead after 2 s, as in the tests of whole processes. */
const OPTIONS: WorkerOptions = {
  concurrency: 5,
  pollIntervalMs: 100,
  heartbeatIntervalMs: 300,
  abortAfterMs: 1000,
  drainTimeoutMs: 200,
  goodbyeTimeoutMs: 5000,
};
const DEAD_AFTER_MS = 2000;

const SOON: RetryPolicy = { maxAttempts: 5, initialDelaySeconds: 0.1, factor: 1, maxDelaySeconds: 0.1 };

/** A job type of a test, with any JSON for a payload. */
export const job = (type: string, handler: JobDefinition['handler'], retry = SOON): JobDefinition =>
  defineJob({ type, description: 'For tests.', payload: z.json(), retry, timeoutSeconds: 60, handler });

/** By way of a transaction pooler. */
export interface ThroughPooler {
  readonly url: string;
  /** Undefined for a worker that only polls. */
  readonly listenUrl: string | undefined;
}

/** A worker on a real queue, with everything that it logs. */
export function workerOn(
  database: string | ThroughPooler,
  definitions: readonly JobDefinition[],
  options: Partial<WorkerOptions> = {},
  decorate: (queue: WorkerQueue) => WorkerQueue = (queue) => queue,
) {
  const throughPooler = typeof database !== 'string';
  const { url, listenUrl } = throughPooler ? database : { url: database, listenUrl: database };
  const lines: Record<string, unknown>[] = [];
  const pool = createPool({
    url,
    applicationName: 'dragonfly-test-worker',
    max: 4,
    acquireTimeoutMs: 1000,
    statementTimeoutMs: 1000,
    throughPooler,
    onIdleError: () => {},
  });
  const waker = createWaker({ send: async (statement) => await query(pool, statement), onError: () => {} });
  const id = `worker-${randomUUID()}`;
  const worker = createWorker(
    { ...OPTIONS, ...options },
    {
      queue: decorate(
        postgresWorkerQueue(pool, { id, hostname: 'test', deadAfterMs: DEAD_AFTER_MS }, waker.wake),
      ),
      events:
        listenUrl === undefined
          ? noQueueEvents
          : postgresQueueEvents({
              url: () => listenUrl,
              workerId: id,
              types: definitions.map(({ type }) => type),
              probeIntervalMs: 10_000,
              probeTimeoutMs: 1000,
              onError: () => {},
            }),
      registry: registryOf(definitions),
      ports: {
        webhooks: {
          send() {
            throw new Error('No webhook is sent in this test.');
          },
        },
      },
      tracing: noTracing,
      metrics: new Registry(),
      logger: pino(
        { level: 'debug', errorKey: 'error' },
        {
          write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
        },
      ),
    },
  );
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await worker.drain();
    await waker.stop();
    await pool.end();
  };
  return {
    id,
    start: worker.start,
    /** Drains it and closes its connections. */
    stop: async (): Promise<void> => await (stopped ??= stop()),
    logged: (message: string): Record<string, unknown>[] => lines.filter(({ msg }) => msg === message),
  };
}
