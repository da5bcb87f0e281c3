import { setTimeout as sleep } from 'node:timers/promises';
import { begin, only } from '../queue.ts';
import type { Session } from '../roles.ts';
import { type Random, type Run, actUntilEnd, hold } from './actor.ts';

export const MAX_ATTEMPTS = 3;

/** Queues jobs in transactions that commit, roll back, roll back in part, or are killed. */
export async function produce(run: Run, random: Random): Promise<void> {
  await actUntilEnd(run, 'api', async (session) => await produceOnce(run, random, session));
}

async function produceOnce({ queue, type, ledger }: Run, random: Random, session: Session): Promise<void> {
  const { sql, run } = session;
  const enqueue = async (keys: boolean): Promise<string[]> => {
    const jobs = Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({
      type,
      max_attempts: MAX_ATTEMPTS,
      priority: Math.floor(random() * 3),
      ...(random() < 0.2 && { run_at: new Date(Date.now() + random() * 500).toISOString() }),
      ...(keys && random() < 0.3 && { unique_key: `k${Math.floor(random() * 5)}` }),
    }));
    const queued = await queue.queueJobs(jobs, {}, sql);
    const ids = queued.filter(({ created }) => created).map(({ id }) => id);
    ledger.mark(ids, 'open');
    return ids;
  };

  await begin(session);
  // Nobody shall wait long for a key, nor two for each other.
  const keys = random() < 0.5;
  const ids = await enqueue(keys);
  if (random() < 0.3) {
    await sql`savepoint part`;
    const part = await enqueue(false);
    if (random() < 0.5) await sql`rollback to part`;
    else ids.push(...part);
  }
  await (keys ? sleep(random() * 8) : hold(random));
  if (random() < 0.25) {
    await run('rollback');
    return;
  }
  ledger.mark(ids, 'in doubt');
  await run('commit');
  ledger.mark(ids, 'committed');
}

export async function cancelSome({ queue, ledger, end }: Run, random: Random): Promise<void> {
  while (Date.now() < end) {
    const ids = ledger.committed();
    const id = ids[Math.floor(random() * ids.length)];
    if (id !== undefined) {
      ledger.cancel(id);
      const rows = await queue.api()<{ status: string }>`select status from ops.cancel_job(${id})`;
      if (rows[0]?.status === 'cancelled') ledger.cancelled(id);
    }
    await sleep(20);
  }
}

/** Pauses the queue or freezes all, and takes it back. */
export async function haltSome({ queue, type, ledger, end }: Run, random: Random): Promise<void> {
  while (Date.now() < end) {
    const freezes = random() < 0.3;
    await (freezes ? queue.owner`select ops.freeze_queues()` : queue.api()`select ops.pause_queue(${type})`);
    ledger.halted();
    await sleep(random() * 150);
    ledger.goesOn();
    await (freezes
      ? queue.owner`select ops.unfreeze_queues()`
      : queue.api()`select ops.resume_queue(${type})`);
    await sleep(100 + random() * 300);
  }
}

/** Queues dead letters again, several at a time, and deletes some. */
export async function tidySome({ queue, type, ledger, end }: Run, random: Random): Promise<void> {
  while (Date.now() < end) {
    if (random() < 0.7) await queue.api()`select ops.redrive_jobs(${type}, 5)`;
    else ledger.purged(only(await queue.api()<{ n: number }>`select ops.purge_jobs(${type}, 1) as n`).n);
    await sleep(random() * 60);
  }
}

/** Looks whether a key ever has two unfinished jobs. */
export async function watchKeys({ queue, type, ledger, end }: Run): Promise<void> {
  while (Date.now() < end) {
    const rows = await queue.api()<{ key: string }>`
      select unique_key as key from ops.jobs
       where type = ${type} and status in ('pending', 'processing') and unique_key is not null
       group by unique_key having count(*) > 1`;
    ledger.faults.push(...rows.map(({ key }) => `the key ${key} has two unfinished jobs`));
    await sleep(100);
  }
}
