import { startChild } from '../child.ts';
import { TYPE } from '../engine.ts';
import type { Measure } from './measure.ts';

/**
 * Jobs a second, each in a transaction of its own, from eight connections.
 *
 * @param served the types of a worker beside them, if there is one
 */
export const singleEnqueue =
  (...served: readonly string[]): Measure =>
  async (bench, name, { enqueueSeconds }) =>
    await bench.withDatabase(name, async ({ url }) => {
      const producer = await startChild(name, url, 8);
      const worker = served.length > 0 ? await startChild(name, url) : undefined;
      await worker?.call('work', { types: served, record: false });
      await producer.call('single', { seconds: 0.5, connections: 8 });
      const { count, ms } = await producer.call('single', { seconds: enqueueSeconds, connections: 8 });
      await worker?.call('stop');
      await Promise.all([producer.end(), worker?.end()]);
      return Math.round((count / ms) * 1000);
    });

/** Jobs a second in calls of a thousand, from four connections. */
export const bulkEnqueue: Measure = async (bench, name, volume) =>
  await bench.withDatabase(name, async ({ url }) => {
    const producer = await startChild(name, url);
    const bulk = { batch: 1000, types: [TYPE] };
    await producer.call('fill', { ...bulk, count: 8000 });
    const startMs = performance.now();
    await producer.call('fill', { ...bulk, count: volume.drain });
    const perSecond = (volume.drain / (performance.now() - startMs)) * 1000;
    await producer.end();
    return Math.round(perSecond);
  });
