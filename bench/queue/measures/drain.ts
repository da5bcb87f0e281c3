import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, startChild } from '../child.ts';
import { type Backlog, TYPE, nowMs } from '../engine.ts';
import { type Database, connect } from '../server.ts';
import type { Measure } from './measure.ts';

/** Until the code of everybody is compiled. */
const WARM_UP = 20_000;
const BATCH = 1000;
/** Between looks for the last outcome, once its handler has started. */
const POLL_MS = 5;

interface Drain {
  /** Whether the planner knows the tables. Otherwise autovacuum is off from the start. */
  readonly analysed?: boolean;
  /** Jobs that are in the queue, but not to be drained. */
  readonly behind?: Backlog['kind'];
  /** A transaction that holds a snapshot and an xid from before as many jobs again were drained. */
  readonly pinned?: boolean;
  /** As many jobs again were drained before, as it is when a snapshot is pinned. */
  readonly repeated?: boolean;
  readonly processes?: number;
  readonly types?: readonly string[];
}

/** Jobs a second, from the start of the first handler to the commit of the last outcome. */
export const drain =
  ({
    analysed = true,
    behind,
    pinned = false,
    repeated = pinned,
    processes = 1,
    types = [TYPE],
  }: Drain = {}): Measure =>
  async (bench, name, volume) =>
    await bench.withDatabase(name, async (database) => {
      if (!analysed) await turnAutovacuumOff(database);
      const producer = await startChild(name, database.url);
      const workers: Child[] = [];
      for (let started = 0; started < processes; started += 1)
        workers.push(await startChild(name, database.url));
      const run = async (count: number): Promise<number> => {
        await producer.call('fill', { count, batch: BATCH, types });
        if (behind !== undefined && count === volume.drain) {
          await database.engine.backlog(database.url, { kind: behind, count: volume.backlog });
        }
        if (analysed) await database.client.query('vacuum analyze');
        await database.client.query('checkpoint');
        return await timeOf(database, workers, behind === 'paused' ? [...types, behind] : types, count);
      };
      await run(WARM_UP);
      const pin = pinned ? await pinSnapshot(database.url) : undefined;
      if (repeated) await run(volume.drain);
      const perSecond = await run(volume.drain);
      await pin?.end();
      await Promise.all([producer, ...workers].map(async (child) => await child.end()));
      return perSecond;
    });

/** The share of claims that found nothing, in per cent, while several processes drain. */
export const emptyClaims =
  (processes: number): Measure =>
  async (bench, name, volume) =>
    await bench.withDatabase(name, async ({ url, client }) => {
      const producer = await startChild(name, url);
      await producer.call('fill', { count: volume.drain, batch: BATCH, types: [TYPE] });
      await client.query('vacuum analyze');
      const workers: Child[] = [];
      for (let started = 0; started < processes; started += 1) workers.push(await startChild(name, url));
      const claims = await drained(workers, [TYPE], volume.drain);
      await Promise.all([producer, ...workers].map(async (child) => await child.end()));
      const total = claims.reduce((sum, claim) => sum + (claim?.total ?? 0), 0);
      const empty = claims.reduce((sum, claim) => sum + (claim?.empty ?? 0), 0);
      return (100 * empty) / total;
    });

export async function timeOf(
  { client, engine }: Database,
  workers: readonly Child[],
  types: readonly string[],
  count: number,
): Promise<number> {
  const left = (await engine.unfinished(client)) - count;
  let lastMs = 0;
  await drained(workers, types, count, async () => {
    while ((await engine.unfinished(client)) > left) await sleep(POLL_MS);
    lastMs = nowMs();
  });
  const began = workers.map((worker) => worker.progress()).filter(({ handled }) => handled > 0);
  const firstMs = Math.min(...began.map((progress) => progress.firstMs));
  return Math.round((count / (lastMs - firstMs)) * 1000);
}

async function drained(
  workers: readonly Child[],
  types: readonly string[],
  count: number,
  untilReported: () => Promise<void> = async () => {},
) {
  const all = Promise.withResolvers<void>();
  for (const worker of workers) {
    worker.forget();
    worker.onProgress(() => {
      if (workers.reduce((sum, each) => sum + each.progress().handled, 0) >= count) all.resolve();
    });
  }
  await Promise.all(workers.map(async (worker) => await worker.call('work', { types, record: false })));
  await all.promise;
  await untilReported();
  return await Promise.all(workers.map(async (worker) => (await worker.call('stop')).claims));
}

async function pinSnapshot(url: string) {
  const client = await connect(url);
  await client.query('begin isolation level repeatable read');
  await client.query('select pg_current_xact_id()');
  return client;
}

async function turnAutovacuumOff({ client }: Database): Promise<void> {
  const { rows } = await client.query<{ name: string }>(`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')`);
  for (const { name } of rows) await client.query(`alter table ${name} set (autovacuum_enabled = false)`);
}
