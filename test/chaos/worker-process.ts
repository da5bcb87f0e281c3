/*
 * A worker as production makes it, but for its job type, which notes each run:
 * `node test/chaos/worker-process.ts <url of the worker role> <journal> <log>`. SIGTERM drains it.
 */
import { randomUUID } from 'node:crypto';
import { flushCompileCache } from 'node:module';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createWorker } from '#src/adapters/inbound/worker/worker.ts';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueEvents } from '#src/adapters/outbound/postgres/queue-events.ts';
import { createWaker } from '#src/adapters/outbound/postgres/wake.ts';
import { postgresWorkerQueue } from '#src/adapters/outbound/postgres/worker-queue.ts';
import { completed } from '#src/application/jobs/completed.ts';
import { defineJob } from '#src/application/jobs/define-job.ts';
import { registryOf } from '#src/application/jobs/registry.ts';
import { noTracing } from '#src/application/tracing.ts';
import type { WorkerQueue } from '#src/application/worker/ports.ts';
import { PermanentFailure } from '#src/domain/jobs/failure.ts';
import { destination, pino } from 'pino';
import { Registry } from 'prom-client';
import { z } from 'zod';
import type { Span } from './facts.ts';
import { writeJournal } from './journal.ts';
import { MANY_ATTEMPTS, TYPE } from './queue.ts';
import { ABORT_AFTER_MS, DEAD_AFTER_MS } from './timing.ts';

const [, , url = '', journalFile = '', logFile = ''] = process.argv;
const STATEMENT_TIMEOUT_MS = 2000;
const CONNECTIONS = 4;

const note = writeJournal(journalFile);
/** When the jobs that this worker has were claimed. */
const claims = new Map<string, Span>();
let runs = 0;

const chaosRun = defineJob({
  type: TYPE,
  description: 'For the chaos run.',
  payload: z.object({
    n: z.int(),
    ms: z.int(),
    failures: z.int(),
    dies: z.boolean(),
    followUp: z.int().optional(),
    follows: z.string().optional(),
  }),
  retry: { maxAttempts: 5, initialDelaySeconds: 0.2, factor: 2, maxDelaySeconds: 1 },
  timeoutSeconds: 60,
  async handler({ n, ms, failures, dies, followUp }, { jobId, attempt, signal }) {
    const run = `${basename(journalFile)}:${(runs += 1)}`;
    note('began', [{ n, attempt, run }], claims.get(jobId));
    if (ms > 0) await sleep(ms, undefined, { signal });
    if (dies) throw new PermanentFailure('It dies, as planned.');
    if (attempt <= failures) throw new Error('It fails, as planned.');
    const result = { n, attempt, run };
    if (followUp === undefined) return result;
    const payload = { n: followUp, ms: 0, failures: 0, dies: false, follows: run };
    return completed(result, [{ type: TYPE, payload, maxAttempts: MANY_ATTEMPTS }]);
  },
});

const pool = createPool({
  url,
  applicationName: 'chaos-worker',
  max: CONNECTIONS,
  acquireTimeoutMs: 1000,
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  onIdleError: () => {},
});
const id = `worker-${randomUUID()}`;
const { wake } = createWaker({ send: async (statement) => await query(pool, statement), onError: () => {} });
const queue = postgresWorkerQueue(pool, { id, hostname: hostname(), deadAfterMs: DEAD_AFTER_MS }, wake);

/** Notes the completions that took effect, and when a job was claimed. */
const noting: WorkerQueue = {
  ...queue,
  async claim(types, limit) {
    const fromMs = Date.now();
    const jobs = await queue.claim(types, limit);
    for (const job of jobs) claims.set(job.id, { fromMs, toMs: Date.now() });
    return jobs;
  },
  async complete(reports) {
    const refused = await queue.complete(reports);
    const completed = reports.flatMap(({ job, outcome }) =>
      outcome.status === 'completed' && !refused.has(job.leaseToken)
        ? [outcome.result as { n: number; attempt: number; run: string }]
        : [],
    );
    note('accepted', completed);
    return refused;
  },
};

const worker = createWorker(
  {
    concurrency: 50,
    pollIntervalMs: 200,
    heartbeatIntervalMs: 500,
    abortAfterMs: ABORT_AFTER_MS,
    drainTimeoutMs: 5000,
    goodbyeTimeoutMs: 3000,
  },
  {
    queue: noting,
    events: postgresQueueEvents({
      url: () => url,
      workerId: id,
      types: [TYPE],
      probeIntervalMs: 1000,
      probeTimeoutMs: STATEMENT_TIMEOUT_MS,
      onError: () => {},
    }),
    registry: registryOf([chaosRun]),
    ports: {
      webhooks: {
        send() {
          throw new Error('No webhook is sent in the chaos run.');
        },
      },
    },
    tracing: noTracing,
    metrics: new Registry(),
    logger: pino({ level: 'warn', errorKey: 'error' }, destination({ dest: logFile, sync: true })),
  },
);

process.on('disconnect', () => process.exit());
// Ctrl-C reaches every process of the terminal; it is the run that ends its workers.
process.on('SIGINT', () => {});
process.once('SIGTERM', () => {
  void worker
    .drain()
    .then(async () => await pool.end())
    .then(() => process.exit());
});
await worker.start();
// For those that come after it.
flushCompileCache();
