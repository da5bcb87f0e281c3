import { startChild } from '../child.ts';
import { TYPE } from '../engine.ts';
import type { Measure } from './measure.ts';
import { timeOf } from './drain.ts';

const CYCLES = 3;

/** Bytes of WAL a job, from its queueing until retention has removed it, vacuum included. Needs full_page_writes off. */
export const walPerJob: Measure = async (bench, name, volume) => {
  await bench.configure('full_page_writes = off');
  return await bench.withDatabase(name, async (database) => {
    const { url, engine, client } = database;
    const producer = await startChild(name, url);
    const worker = await startChild(name, url);
    const count = volume.drain / 4;
    const cycle = async (): Promise<void> => {
      await producer.call('fill', { count, batch: 200, types: [TYPE] });
      await timeOf(database, [worker], [TYPE], count);
      await engine.retain(url);
      await client.query('vacuum');
    };
    await cycle();
    const position = async (): Promise<number> => {
      const { rows } = await client.query<{ bytes: string }>(
        `select pg_current_wal_insert_lsn() - '0/0' as bytes`,
      );
      return Number(rows[0]?.bytes);
    };
    const before = await position();
    for (let done = 0; done < CYCLES; done += 1) await cycle();
    const bytes = (await position()) - before;
    await Promise.all([producer.end(), worker.end()]);
    await bench.configure('full_page_writes = on');
    return Math.round(bytes / (CYCLES * count));
  });
};
