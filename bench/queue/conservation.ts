import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { type Child, startChild } from './child.ts';
import { type EngineName, type Proof, TYPE, payloadOf } from './engine.ts';
import { type Bench, connect } from './server.ts';

const PRODUCERS = 6;
const WORKERS = 3;
const MAX_JOBS = 60;
const DRAIN_MS = 30_000;

/** Of jobs. Each but the first has to be none. */
export interface Conservation {
  readonly committed: number;
  readonly lost: number;
  readonly twice: number;
  readonly phantoms: number;
}

/**
 * Queues in transactions that roll back, that roll back to a savepoint and that commit two seconds later, while workers
 * are killed, jobs fail and are given back, and every lease expires three times a second; then counts in the tables.
 */
export async function conservation(bench: Bench, name: EngineName, seconds: number): Promise<Conservation> {
  return await bench.withDatabase(name, async ({ url, client, engine }) => {
    const { proof } = engine;
    if (!proof) throw new Error(`${name} cannot be asked.`);
    const over = new AbortController();
    const committed = new Set<number>();
    const numbers = { next: 0 };
    const producing = Array.from({ length: PRODUCERS }, async () => {
      await withClient(url, over.signal, async (session) => {
        for (const n of await produce(session, numbers)) committed.add(n);
      });
    });
    const failing = withClient(url, over.signal, async (session) => await fail(session, proof));
    const expiring = withClient(url, over.signal, async (session) => {
      await session.query(proof.expireLeases);
      await sleep(300);
    });
    const workers: Child[] = [];
    for (let started = 0; started < WORKERS; started += 1) workers.push(await startWorker(name, url));
    const deadline = performance.now() + seconds * 1000;
    while (performance.now() < deadline) {
      await sleep(700);
      workers.shift()?.kill();
      workers.push(await startWorker(name, url));
    }
    over.abort();
    await Promise.all([...producing, failing, expiring]);
    const found = await settled(client, proof, committed);
    for (const worker of workers) worker.kill();
    return found;
  });
}

async function withClient(
  url: string,
  over: AbortSignal,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const client = await connect(url);
  while (!over.aborted) await work(client);
  await client.end();
}

async function startWorker(name: EngineName, url: string): Promise<Child> {
  const child = await startChild(name, url, 1);
  await child.call('work', { types: [TYPE], record: false });
  return child;
}

/** @returns the numbers of the jobs that were committed */
async function produce(client: Client, numbers: { next: number }): Promise<number[]> {
  const queue = async (): Promise<number[]> => {
    const count = 1 + Math.floor(Math.random() * MAX_JOBS);
    const jobs = Array.from({ length: count }, () => ({
      type: TYPE,
      payload: payloadOf(numbers.next++),
      priority: Math.random() < 0.3 ? 1 : 0,
      max_attempts: 100,
      ...(Math.random() < 0.1 && { run_at: new Date(Date.now() + Math.random() * 500).toISOString() }),
    }));
    await client.query('select ops.queue_jobs($1)', [JSON.stringify(jobs)]);
    return jobs.map(({ payload }) => payload.n);
  };
  await client.query('begin');
  const queued = await queue();
  if (Math.random() < 0.2) {
    await client.query('savepoint before');
    await queue();
    await client.query('rollback to before');
  }
  await sleep(Math.random() < 0.1 ? 2000 : Math.random() * 50);
  const rollback = Math.random() < 0.1;
  await client.query(rollback ? 'rollback' : 'commit');
  return rollback ? [] : queued;
}

/** Takes a few jobs and does not complete them. */
async function fail(client: Client, { queue }: Proof): Promise<void> {
  const { rows } = await client.query(queue.claim, [[TYPE], 7, 'failing']);
  const status = Math.random() < 0.5 ? 'retry' : 'released';
  if (rows.length > 0) await client.query(queue.complete, queue.reportOf(rows, status));
  await sleep(20);
}

async function settled(client: Client, proof: Proof, committed: ReadonlySet<number>): Promise<Conservation> {
  const deadline = performance.now() + DRAIN_MS;
  // The claims of those that were killed.
  await client.query(proof.expireLeases);
  for (;;) {
    const { rows } = await client.query<{ n: number; completed: number }>(proof.ledger);
    const completed = new Map(rows.map((row) => [row.n, row.completed]));
    const found = {
      committed: committed.size,
      lost: [...committed].filter((n) => !completed.get(n)).length,
      twice: rows.filter((row) => row.completed > 1).length,
      phantoms: rows.filter(({ n }) => !committed.has(n)).length,
    };
    if (found.lost === 0 || performance.now() > deadline) return found;
    await sleep(200);
  }
}
