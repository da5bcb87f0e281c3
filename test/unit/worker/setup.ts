import type { JobPorts } from '#src/application/jobs/ports.ts';
import { type JobDefinition, defineJob } from '#src/application/jobs/define-job.ts';
import { registryOf } from '#src/application/jobs/registry.ts';
import { type SpanStart, type Tracing, noTracing } from '#src/application/tracing.ts';
import { type WorkerOptions, createWorker } from '#src/adapters/inbound/worker/worker.ts';
import { scriptedQueue } from '#test/support/scripted-queue.ts';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { vi } from 'vitest';
import { z } from 'zod';

export const unusedPorts: JobPorts = {
  webhooks: {
    send() {
      throw new Error('No webhook is sent in this test.');
    },
  },
};

type Handler = JobDefinition['handler'];

/** A job type without a payload of its own; retried after 1 to 2 s. */
export const job = (type: string, handler: Handler, timeoutSeconds = 60): JobDefinition =>
  defineJob({
    type,
    description: 'For tests.',
    payload: z.json(),
    retry: { maxAttempts: 5, initialDelaySeconds: 2, factor: 1, maxDelaySeconds: 2 },
    timeoutSeconds,
    handler,
  });

export interface RecordedSpan extends SpanStart {
  readonly traceparent: string;
  attributes?: Readonly<Record<string, string | number>>;
  failed?: boolean;
}

const recordTo =
  (spans: RecordedSpan[]): Tracing['startSpan'] =>
  (start) => {
    const { traceparent } = noTracing.startSpan(start);
    const span: RecordedSpan = { ...start, traceparent };
    spans.push(span);
    return {
      traceparent,
      end: (attributes, failed) => void Object.assign(span, { attributes, failed }),
    };
  };

export const DEFAULTS: WorkerOptions = {
  concurrency: 2,
  pollIntervalMs: 500,
  heartbeatIntervalMs: 30_000,
  abortAfterMs: 45_000,
  drainTimeoutMs: 20_000,
  goodbyeTimeoutMs: 5000,
};

/** A worker on a scripted queue, with everything that it logs. Time is the test's. */
export function workerOn(definitions: readonly JobDefinition[], options: Partial<WorkerOptions> = {}) {
  const scripted = scriptedQueue();
  const lines: Record<string, unknown>[] = [];
  const spans: RecordedSpan[] = [];
  const metrics = new Registry();
  let stopsAsked = 0;
  const worker = createWorker(
    { ...DEFAULTS, ...options },
    {
      queue: scripted.queue,
      events: scripted.events,
      registry: registryOf(definitions),
      ports: unusedPorts,
      metrics,
      onStop: () => (stopsAsked += 1),
      tracing: { startSpan: recordTo(spans) },
      logger: pino(
        { level: 'debug', base: null, errorKey: 'error', formatters: { level: (level) => ({ level }) } },
        { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
      ),
    },
  );
  return {
    ...scripted,
    worker,
    metrics,
    spans,
    lines,
    /** How often the worker asked for the end of its process. */
    stopsAsked: (): number => stopsAsked,
    logged: (message: string): Record<string, unknown>[] => lines.filter(({ msg }) => msg === message),
  };
}

/** Lets the test's time pass until the promise is settled, at most a minute. */
export async function settled<T>(promise: Promise<T>): Promise<T> {
  const done = new AbortController();
  const end = (): void => {
    done.abort();
  };
  promise.then(end, end);
  for (let n = 0; n < 6000 && !done.signal.aborted; n += 1) await pass(10);
  return await promise;
}

export const pass = async (ms: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(ms);
};

/** Fulfils after so long, or rejects when aborted, as a well-behaved handler does. */
export async function busy(ms: number, signal: AbortSignal): Promise<null> {
  const { promise, resolve, reject } = Promise.withResolvers<null>();
  const timer = setTimeout(() => {
    resolve(null);
  }, ms);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    reject(signal.reason as Error);
  });
  return await promise;
}
