import type { Pool } from 'pg';
import { Gauge, type Registry } from 'prom-client';
import { query } from './pool.ts';

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

const STATES = ['depth', 'scheduled', 'processing', 'failed'] as const;

/** Depth and age of every queue over all organisations; a scrape while the database is down reports none. */
export function queueMetrics(metrics: Registry, pool: Pool): void {
  const oldest = new Gauge({
    name: 'queue_oldest_job_age_seconds',
    help: 'How long the oldest runnable job of the type has been waiting.',
    labelNames: ['type'],
    registers: [metrics],
  });
  const jobs = new Gauge({
    name: 'queue_jobs',
    help: 'Jobs of the type by state: depth (could run now), scheduled, processing, failed (dead letters).',
    labelNames: ['type', 'state'],
    registers: [metrics],
    async collect() {
      jobs.reset();
      oldest.reset();
      for (const row of await stats(pool)) {
        const type = String(row['type']);
        for (const state of STATES) jobs.set({ type, state }, Number(row[state]));
        oldest.set({ type }, Number(row['oldest_age_seconds']));
      }
    },
  });
}

const stats = async (pool: Pool) => {
  try {
    return await query(pool, { name: 'queue_stats', text: 'select * from ops.queue_stats()', values: [] });
  } catch {
    return [];
  }
};
