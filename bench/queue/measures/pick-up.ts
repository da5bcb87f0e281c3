import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../child.ts';
import { TYPE } from '../engine.ts';
import type { Measure } from './measure.ts';

const PER_SECOND = 50;

/** What was measured for one quantile and serves the other one, too. */
const measured = new Map<string, number[]>();

/** Milliseconds from the commit of a job to the start of its handler in an idle worker. Negative counts as none. */
export const pickUp =
  (quantile: number): Measure =>
  async (bench, name, volume) => {
    const waits = measured.get(name) ?? (await waitsOf(bench, name, volume));
    if (!measured.delete(name)) measured.set(name, waits);
    return Number(waits[Math.floor(waits.length * quantile)]?.toFixed(2));
  };

async function waitsOf(...[bench, name, { pickUps }]: Parameters<Measure>): Promise<number[]> {
  return await bench.withDatabase(name, async ({ url }) => {
    const producer = await startChild(name, url);
    const worker = await startChild(name, url);
    await worker.call('work', { types: [TYPE], record: true });
    await sleep(500);
    await producer.call('paced', { count: PER_SECOND, perSecond: PER_SECOND });
    const committed = new Map(await producer.call('paced', { count: pickUps, perSecond: PER_SECOND }));
    await sleep(1000);
    const { starts } = await worker.call('stop');
    await Promise.all([producer.end(), worker.end()]);
    const waits = starts.flatMap(([n, ms]) => {
      const since = committed.get(n);
      return since === undefined ? [] : [Math.max(ms - since, 0)];
    });
    if (waits.length < pickUps)
      throw new Error(`${name}: ${pickUps - waits.length} jobs were not picked up.`);
    return waits.toSorted((a, b) => a - b);
  });
}
