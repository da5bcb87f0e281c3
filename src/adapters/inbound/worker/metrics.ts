import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** From a no-op to the longest deadlines. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
/** Around the limit of 250 ms. */
const WAIT_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1];

export interface WorkerState {
  readonly running: () => number;
  readonly buffered: () => number;
  readonly unreported: () => number;
}

export type WorkerMetrics = ReturnType<typeof workerMetrics>;

/** Metrics of one worker (OBS-4). Types are those of the registry, so every label is bounded. */
export function workerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    processed: new Counter({
      name: 'jobs_processed_total',
      help: 'Attempts by what came of them: completed, retry, failed, released, cancelled, lease_lost.',
      labelNames: ['type', 'outcome'],
      registers,
    }),
    duration: new Histogram({
      name: 'job_duration_seconds',
      help: 'Run time of attempts.',
      labelNames: ['type'],
      buckets: DURATION_BUCKETS,
      registers,
    }),
    bufferWait: new Histogram({
      name: 'job_buffer_wait_seconds',
      help: 'Time that claimed jobs waited in the memory of this worker before they ran.',
      buckets: WAIT_BUCKETS,
      registers,
    }),
    databaseErrors: new Counter({
      name: 'worker_database_errors_total',
      help: 'Failed operations of the worker: claim, complete (a flush of outcomes), beat.',
      labelNames: ['operation'],
      registers,
    }),
  };
}

/** Gauges that are read when they are scraped. */
export function observeWorker(registry: Registry, { running, buffered, unreported }: WorkerState): void {
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('worker_running', 'Jobs that run now.', running);
  gauge('worker_buffered', 'Claimed jobs that wait in memory for a free slot.', buffered);
  gauge('worker_unreported', 'Outcomes that are not yet stored.', unreported);
}
