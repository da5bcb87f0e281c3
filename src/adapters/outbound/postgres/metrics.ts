import type { Pool } from 'pg';
import { Counter, Gauge, type Registry } from 'prom-client';
import { postgresDdlLog } from './ddl-log.ts';
import { type SqlQuery, query } from './pool.ts';

/** Connections of every pool by state, read at each scrape. */
export function poolMetrics(metrics: Registry, pools: ReadonlyMap<string, Pool>): void {
  const connections = new Gauge({
    name: 'db_pool_connections',
    help: 'Connections of the pool, and callers that wait for one.',
    labelNames: ['pool', 'state'],
    registers: [metrics],
    collect() {
      for (const [name, pool] of pools) {
        connections.set({ pool: name, state: 'idle' }, pool.idleCount);
        connections.set({ pool: name, state: 'used' }, pool.totalCount - pool.idleCount);
        connections.set({ pool: name, state: 'waiting' }, pool.waitingCount);
      }
    },
  });
}

const STATS: SqlQuery = { name: 'queue_stats', text: 'select * from ops.queue_stats()', values: [] };
const STATES = ['depth', 'scheduled', 'processing', 'failed'] as const;

/**
 * Depth and age of every queue over all organisations. A scrape that cannot read them shows none, counts that, and says
 * why to `onError`.
 */
export function queueMetrics(metrics: Registry, pool: Pool, onError: (error: unknown) => void): void {
  // The metrics of a scrape are collected side by side: they wait for one reading.
  let reading: Promise<void> | undefined;
  async function collect(): Promise<void> {
    reading ??= read().finally(() => (reading = undefined));
    await reading;
  }
  const common = { registers: [metrics], collect };
  const jobs = new Gauge({
    name: 'queue_jobs',
    help: 'Jobs of the type by state: depth (could run now), scheduled, processing, failed (dead letters).',
    labelNames: ['type', 'state'],
    ...common,
  });
  const oldest = new Gauge({
    name: 'queue_oldest_job_age_seconds',
    help: 'How long the oldest runnable job of the type has been waiting.',
    labelNames: ['type'],
    ...common,
  });
  const errors = new Counter({
    name: 'queue_metrics_errors_total',
    help: 'Scrapes that could not read the figures of the queues.',
    ...common,
  });

  async function read(): Promise<void> {
    const rows = await query(pool, STATS).catch((error: unknown) => {
      errors.inc();
      onError(error);
      return [];
    });
    jobs.reset();
    oldest.reset();
    for (const row of rows) {
      const type = String(row['type']);
      for (const state of STATES) jobs.set({ type, state }, Number(row[state]));
      oldest.set({ type }, Number(row['oldest_age_seconds']));
    }
  }
}

/** DATA-9: direct DDL that nobody has acknowledged, and whether it is recorded at all. */
export function directDdlMetrics(metrics: Registry, pool: Pool, onError: (error: unknown) => void): void {
  const log = postgresDdlLog(async (statement) => await query(pool, statement));
  let reading: Promise<void> | undefined;
  async function collect(): Promise<void> {
    reading ??= read().finally(() => (reading = undefined));
    await reading;
  }
  const common = { registers: [metrics], collect };
  const recording = new Gauge({
    name: 'schema_direct_ddl_recording',
    help: 'Whether DDL outside of migrations is recorded: 1, or 0.',
    ...common,
  });
  const entries = new Gauge({
    name: 'schema_direct_ddl_unacknowledged',
    help: 'Changes of the schema outside of migrations that nobody has acknowledged.',
    ...common,
  });

  async function read(): Promise<void> {
    try {
      const state = await log.state();
      recording.set(state === 'recording' ? 1 : 0);
      entries.set(state === 'unavailable' ? 0 : (await log.unacknowledged()).length);
    } catch (error) {
      entries.set(Number.NaN);
      onError(error);
    }
  }
}

/** Counts wake-ups that failed: their jobs waited for a poll. */
export function wakeErrors(metrics: Registry): () => void {
  const errors = new Counter({
    name: 'queue_wake_errors_total',
    help: 'Times that idle workers could not be told of jobs, which they found by their next poll.',
    registers: [metrics],
  });
  return () => {
    errors.inc();
  };
}

/** Counts uses of API keys that are not recorded (ARC-5). */
export function keyUseDrops(metrics: Registry): (count: number) => void {
  const drops = new Counter({
    name: 'api_key_uses_dropped_total',
    help: 'Uses of API keys that no last use was recorded of.',
    registers: [metrics],
  });
  return (count) => {
    drops.inc(count);
  };
}
