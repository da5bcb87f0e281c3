import { expect } from 'vitest';
import { only } from '../queue.ts';
import { type Command, command } from './command.ts';
import type { Job } from './job.ts';
import { ask } from './real.ts';
import type { Waits, World } from './world.ts';

/** How long a job waits that shall soon run. */
export const SOON_MS = 150;

const DEFAULT_ATTEMPTS = 5;

export interface Wanted {
  readonly type: number;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly run: 'now' | 'soon' | 'far';
  readonly key: string | undefined;
}

/** `ops.queue_jobs`. */
export const enqueue = (session: number, wanted: readonly Wanted[]): Command =>
  command(`enqueue ${session} ${JSON.stringify(wanted)}`, async (world, real) => {
    const jobs = wanted.map((one) => ({ ...toJob(one, world), holder: holderOf(world, session, one)?.id }));
    const rows = await ask(
      world,
      real,
      { session, waits: waitsOf(world, session, wanted) },
      async (sql) =>
        await real.queue.queueJobs(
          jobs.map(({ type, priority, maxAttempts, runAt, key }) => ({
            type,
            priority,
            max_attempts: maxAttempts,
            ...(runAt > 0 && { run_at: new Date(runAt).toISOString() }),
            ...(key !== undefined && { unique_key: key }),
          })),
          {},
          sql,
        ),
    );
    if (!rows) return;
    expect(rows).toHaveLength(jobs.length);
    const owners = new Map<string, string>();
    for (const [index, { holder, ...job }] of jobs.entries()) {
      const owner = holder ?? owners.get(`${job.type} ${job.key}`);
      const row = rows[index];
      expect(row).toEqual({ created: owner === undefined, id: expect.any(String) });
      if (!row) continue;
      take(world, session, { ...job, id: row.id }, owner);
      if (job.key !== undefined) owners.set(`${job.type} ${job.key}`, row.id);
    }
  });

/** `ops.queue_job` or, with a key, `ops.queue_job_idempotent`. */
export const enqueueOne = (session: number, wanted: Wanted): Command =>
  command(`enqueue one ${session} ${JSON.stringify(wanted)}`, async (world, real) => {
    const job = { ...toJob(wanted, world), maxAttempts: DEFAULT_ATTEMPTS };
    const owner = holderOf(world, session, wanted)?.id;
    const { type, priority, key } = job;
    const runAt = new Date(job.runAt);
    const rows = await ask(world, real, { session, waits: waitsOf(world, session, [wanted]) }, async (sql) =>
      key === undefined
        ? await sql<{ id: string }>`select ops.queue_job(${type}, '{}', ${priority}, ${runAt}) as id`
        : await sql<{
            id: string;
          }>`select ops.queue_job_idempotent(${type}, '{}', ${key}, ${priority}, ${runAt}) as id`,
    );
    if (rows) take(world, session, { ...job, id: only(rows).id }, owner);
  });

/** A job that the outcome of another one queued. */
export const takeFollowUp = (world: World, session: number, { id, type }: Pick<Job, 'id' | 'type'>): void =>
  take(
    world,
    session,
    {
      id,
      type,
      batch: world.queued.length,
      key: undefined,
      priority: 0,
      maxAttempts: DEFAULT_ATTEMPTS,
      attempts: 0,
      status: 'pending',
      runAt: 0,
      lease: undefined,
    },
    undefined,
  );

/** The answer was that job: the one that has the key already, or a new one. */
function take(world: World, session: number, job: Job, owner: string | undefined): void {
  if (owner !== undefined) {
    expect(job.id).toBe(owner);
    return;
  }
  expect(world.queued).not.toContain(job.id);
  world.queued.push(job.id);
  world.put(session, job);
}

const RUN_AT = { now: () => 0, soon: () => Date.now() + SOON_MS, far: () => Date.parse('2099-01-01Z') };

const toJob = ({ type, priority, maxAttempts, run, key }: Wanted, world: World): Omit<Job, 'id'> => ({
  type: world.types[type] ?? '',
  batch: world.queued.length,
  key,
  priority,
  maxAttempts,
  attempts: 0,
  status: 'pending',
  runAt: RUN_AT[run](),
  lease: undefined,
});

const holderOf = (world: World, session: number, { type, key }: Wanted): Job | undefined =>
  key === undefined ? undefined : world.holder(session, world.types[type] ?? '', key);

function waitsOf(world: World, session: number, wanted: readonly Wanted[]): Waits {
  const all = wanted.map(({ type, key }) =>
    key === undefined ? 'never' : world.keyWaits(session, world.types[type] ?? '', key),
  );
  return all.find((waits) => waits === 'must') ?? all.find((waits) => waits === 'maybe') ?? 'never';
}
