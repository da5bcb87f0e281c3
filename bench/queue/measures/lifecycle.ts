import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../child.ts';
import { TYPE } from '../engine.ts';
import type { Measure } from './measure.ts';

const DEPTH = 5000;
const FEED = { depth: DEPTH, batch: 200, connections: 2 };
const WARM_UP_MS = 2500;

/** Jobs a second that are queued by one process and handled by another at the same time, of tables that the planner knows. */
export const lifecycle: Measure = async (bench, name, { lifecycleSeconds }) =>
  await bench.withDatabase(name, async ({ url, client }) => {
    const producer = await startChild(name, url, FEED.connections);
    const worker = await startChild(name, url);
    await client.query('checkpoint');
    worker.onProgress(({ handled }) => {
      producer.tell(handled);
    });
    await worker.call('work', { types: [TYPE], record: false });
    const fed = producer.call('feed', FEED);
    await sleep(WARM_UP_MS);
    await client.query('analyze');
    const from = worker.progress();
    await sleep(lifecycleSeconds * 1000);
    const to = worker.progress();
    await producer.call('stop');
    await fed;
    await worker.call('stop');
    await Promise.all([producer.end(), worker.end()]);
    return Math.round(((to.handled - from.handled) / (to.ms - from.ms)) * 1000);
  });
