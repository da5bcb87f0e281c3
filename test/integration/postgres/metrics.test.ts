import type { Pool } from 'pg';
import { Registry } from 'prom-client';
import { afterAll, expect, it } from 'vitest';
import { queueMetrics } from '#src/adapters/outbound/postgres/metrics.ts';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { testDatabase } from '../../support/database.ts';

const { urls } = await testDatabase();
const api = poolOf('api');
const worker = poolOf('worker');
afterAll(async () => await Promise.all([api.end(), worker.end()]));

function poolOf(role: 'api' | 'worker'): Pool {
  return createPool({
    url: urls[role],
    applicationName: 'test',
    max: 2,
    acquireTimeoutMs: 5000,
    statementTimeoutMs: 5000,
    onIdleError: () => {},
  });
}

function scraped(pool: Pool) {
  const errors: unknown[] = [];
  const metrics = new Registry();
  queueMetrics(metrics, pool, (error) => errors.push(error));
  return { scrape: async () => await metrics.metrics(), errors };
}

it('[OBS-4] a scrape shows depth and age of the queues as they are now', async () => {
  const { scrape, errors } = scraped(worker);
  expect(await scrape()).not.toContain('type="test"');
  await query(api, { text: `select ops.queue_job('test', '{}')`, values: [] });
  const text = await scrape();
  expect(text).toContain('queue_jobs{type="test",state="depth"} 1\n');
  expect(text).toMatch(/queue_oldest_job_age_seconds\{type="test"\} \d/);
  expect(text).toContain('queue_metrics_errors_total 0\n');
  expect(errors).toEqual([]);
});

it('[ARC-9] figures that cannot be read are missing, which a scrape counts, and the reason is passed on', async () => {
  const { scrape, errors } = scraped(api);
  const text = await scrape();
  expect(text).not.toContain('queue_jobs{');
  expect(text).toContain('queue_metrics_errors_total 1\n');
  expect(errors).toMatchObject([{ message: expect.stringContaining('permission denied') }]);
});
