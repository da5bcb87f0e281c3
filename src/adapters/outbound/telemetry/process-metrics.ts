import { Gauge, type Registry, collectDefaultMetrics } from 'prom-client';

const START = 'process_start_time_seconds';

/**
 * What Node tells of the process. The library rounds the start to whole seconds; replicas that began in the same one could not be told
 * apart by who sees one of them at a time, as the watch of a release does (DEP-4).
 */
export function processMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  registry.removeSingleMetric(START);
  new Gauge({
    name: START,
    help: 'Start time of the process since unix epoch in seconds.',
    registers: [registry],
  }).set(performance.timeOrigin / 1000);
}
