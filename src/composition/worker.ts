import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createWorker } from '#src/adapters/inbound/worker/worker.ts';
import { directDdlMetrics, queueMetrics } from '#src/adapters/outbound/postgres/metrics.ts';
import { queueMaintenance } from '#src/adapters/outbound/postgres/queue-maintenance.ts';
import {
  type QueueEventsOptions,
  postgresQueueEvents,
} from '#src/adapters/outbound/postgres/queue-events.ts';
import { postgresWorkerQueue } from '#src/adapters/outbound/postgres/worker-queue.ts';
import { createWebhookSender } from '#src/adapters/outbound/webhook/sender.ts';
import { jobRegistry } from '#src/application/jobs/registry.ts';
import { type QueueEvents, noQueueEvents } from '#src/application/worker/ports.ts';
import type { Config } from '#src/config/load.ts';
import type { Base, Part } from './base.ts';
import { openDatabase } from './database.ts';

export async function openWorker(config: Config<'worker'>, base: Base): Promise<Part> {
  const { metrics, secrets, tracing } = base;
  const logger = base.loggerOf('worker');
  const databaseUrl = secrets.of('DRAGONFLY_WORKER_DATABASE_URL');
  const { pool, wake, close: closeDatabase } = await openDatabase(config, databaseUrl, 'worker', base);
  queueMetrics(metrics, pool, (error) => {
    logger.debug({ error }, 'figures of the queues not read');
  });
  directDdlMetrics(metrics, pool, (error) => {
    logger.debug({ error }, 'record of direct DDL not read');
  });

  const webhooks = createWebhookSender({
    secrets: secrets.of('DRAGONFLY_WEBHOOK_SECRET').current,
    allowLoopback: config.DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK,
    connectTimeoutMs: config.DRAGONFLY_WEBHOOK_CONNECT_TIMEOUT,
    responseTimeoutMs: config.DRAGONFLY_WEBHOOK_RESPONSE_TIMEOUT,
  });
  const id = `worker-${randomUUID()}`;
  const maintenance = queueMaintenance({
    url: databaseUrl.current,
    auditKeepDays: config.DRAGONFLY_AUDIT_KEEP_DAYS,
    onStep(step) {
      logger.info({ step }, 'queue maintained');
    },
    onError(error) {
      logger.warn({ error }, 'queue not maintained, tried again in an hour');
    },
  });
  const worker = createWorker(
    {
      concurrency: config.DRAGONFLY_WORKER_CONCURRENCY,
      pollIntervalMs: config.DRAGONFLY_WORKER_POLL_INTERVAL,
      heartbeatIntervalMs: config.DRAGONFLY_WORKER_HEARTBEAT_INTERVAL,
      abortAfterMs: config.DRAGONFLY_WORKER_ABORT_AFTER,
      drainTimeoutMs: config.DRAGONFLY_WORKER_DRAIN_TIMEOUT,
      goodbyeTimeoutMs: config.DRAGONFLY_WORKER_GOODBYE_TIMEOUT,
    },
    {
      queue: postgresWorkerQueue(
        pool,
        { id, hostname: hostname(), deadAfterMs: config.DRAGONFLY_WORKER_DEAD_AFTER },
        wake,
      ),
      events: queueEvents(config, base, {
        workerId: id,
        onError(error) {
          logger.debug({ error }, 'listening connection lost');
        },
      }),
      registry: jobRegistry,
      ports: { webhooks },
      logger,
      tracing,
      metrics,
      // An operator's command is what a signal would be.
      onStop: () => process.kill(process.pid, 'SIGTERM'),
    },
  );

  return {
    async start() {
      await worker.start();
      maintenance.start();
      return {};
    },
    drain: () => worker.drain(),
    async close() {
      maintenance.stop();
      await webhooks.close();
      await closeDatabase();
    },
  };
}

function queueEvents(
  config: Config<'worker'>,
  { secrets }: Base,
  about: Pick<QueueEventsOptions, 'workerId' | 'onError'>,
): QueueEvents {
  const ownUrl = secrets.of('DRAGONFLY_WORKER_LISTEN_URL');
  if (ownUrl.current() === 'none') return noQueueEvents;
  ownUrl.onChange((next) => {
    if (next === 'none') throw new Error('Whether to listen is decided at the start.');
  });
  const { current: databaseUrl } = secrets.of('DRAGONFLY_WORKER_DATABASE_URL');
  return postgresQueueEvents({
    ...about,
    url: () => ownUrl.current() ?? databaseUrl(),
    types: [...jobRegistry.keys()],
    probeIntervalMs: config.DRAGONFLY_WORKER_LISTEN_PROBE_INTERVAL,
    probeTimeoutMs: config.DRAGONFLY_DATABASE_STATEMENT_TIMEOUT,
  });
}
