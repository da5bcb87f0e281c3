import { expect } from 'vitest';
import { type Command, command } from './command.ts';
import type { Job } from './job.ts';
import { ask } from './real.ts';
import type { Waits, World } from './world.ts';

/** How long a job waits that shall soon run. */
export const SOON_MS = 150;

export interface Wanted {
  readonly type: number;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly run: 'now' | 'soon' | 'far';
  readonly key: string | undefined;
}

export const enqueue = (session: number, wanted: readonly Wanted[]): Command =>
  command(`enqueue ${session} ${JSON.stringify(wanted)}`, async (world, real) => {
    const jobs = wanted.map((one) => ({ ...toJob(one, world), holder: holderOf(world, session, one) }));
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
      const row = rows[index];
      const owner = holder?.id ?? owners.get(`${job.type} ${job.key}`);
      expect(row).toEqual({ created: owner === undefined, id: owner ?? expect.any(String) });
      if (!row || owner !== undefined) continue;
      expect(world.queued).not.toContain(row.id);
      world.queued.push(row.id);
      world.put(session, { ...job, id: row.id });
      if (job.key !== undefined) owners.set(`${job.type} ${job.key}`, row.id);
    }
  });

const RUN_AT = { now: () => 0, soon: () => Date.now() + SOON_MS, far: () => Date.parse('2099-01-01Z') };

const toJob = ({ type, priority, maxAttempts, run, key }: Wanted, world: World): Omit<Job, 'id'> => ({
  type: world.types[type] ?? '',
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
