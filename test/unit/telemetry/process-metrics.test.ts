import { Registry } from 'prom-client';
import { processMetrics } from '#src/adapters/outbound/telemetry/process-metrics.ts';
import { countersOf } from '#src/application/release/watch-sample.ts';
import { expect, it } from 'vitest';

it('[DEP-4] a process tells when it began to the millisecond, by which replicas are told apart', async () => {
  const registry = new Registry();
  processMetrics(registry);
  const { startedAt = 0 } = countersOf(await registry.metrics()) ?? {};
  expect(startedAt * 1000).toBeCloseTo(performance.timeOrigin, 0);
});
