import { expect } from 'vitest';
import { only } from '../queue.ts';
import type { Sql } from '../roles.ts';
import { wantsKey } from './client.ts';
import { type Command, command } from './command.ts';
import { type Job, purged, retried } from './job.ts';
import { ask, learnOfLost, sqlOf } from './real.ts';
import type { World } from './world.ts';

export const freeze: Command = command('freeze', async (world, { queue }) => {
  await queue.owner`select ops.freeze_queues()`;
  world.frozen = true;
});

export const unfreeze: Command = command(
  'unfreeze',
  async (world, { queue }) => {
    await queue.owner`select ops.unfreeze_queues()`;
    world.frozen = false;
  },
  ({ frozen }) => frozen,
);

interface Act {
  readonly becomes: (job: Job) => Job;
  readonly run: (sql: Sql, type: string, most: number) => Promise<{ jobs: number }[]>;
}

/** What becomes of a job that is not there any more is that it was purged. */
const ACTS: Readonly<Record<'redrive' | 'purge', Act>> = {
  redrive: {
    becomes: retried,
    run: async (sql, type, most) => await sql`select ops.redrive_jobs(${type}, ${most}) as jobs`,
  },
  purge: {
    becomes: purged,
    run: async (sql, type, most) => await sql`select ops.purge_jobs(${type}, ${most}) as jobs`,
  },
};

export interface OfDeadLetters {
  readonly act: keyof typeof ACTS;
  readonly session: number;
  readonly type: number;
  readonly most: number;
}

/** Of the oldest dead letters of a type, at most so many; what another transaction has locked is passed by. */
export const ofDeadLetters = ({ act, session, type: number, most }: OfDeadLetters): Command =>
  command(
    `${act} ${session} ${most} of type ${number}`,
    async (world, real) => {
      const type = world.types[number] ?? '';
      const mayBe = deadLetters(world, session, type).filter(({ id }) => !world.changedByOthers(session, id));
      const mustBe = mayBe.filter(({ id }) => !world.touchedByOthers(session, id));
      const waits = act === 'redrive' && mayBe.some((job) => needsKeyOfOthers(world, session, job));
      const rows = await ask(
        world,
        real,
        { session, waits: waits ? 'maybe' : 'never' },
        async (sql) => await ACTS[act].run(sql, type, most),
      );
      if (!rows) return;

      const left = await deadAmong(sqlOf(real, session), mayBe);
      const taken = mayBe.filter(({ id }) => !left.has(id));
      expect(only(rows).jobs).toBe(taken.length);
      for (const job of mayBe) {
        if (left.has(job.id)) world.touch(session, job.id);
        else world.put(session, ACTS[act].becomes(job));
      }
      const passedBy = mustBe.filter(
        (job) =>
          left.has(job.id) &&
          mayBe.filter(({ id }) => id < job.id).length < most &&
          !(act === 'redrive' && wantsKey(job) && world.holder(session, type, job.key)),
      );
      expect(passedBy, `not ${act}d`).toEqual([]);
    },
    (world) => deadLetters(world, session, world.types[number] ?? '').length > 0,
  );

const deadLetters = (world: World, session: number, type: string): Job[] =>
  world.seen(session).filter((job) => job.type === type && job.status === 'failed');

/** Jobs of claims of which some job has no outcome yet, as everybody sees it. */
function ofOpenClaims(world: World): ReadonlySet<string> {
  const open = new Set(world.seen().map(({ lease }) => lease?.token));
  return new Set(world.claims.flatMap((one) => (open.has(one.lease_token) ? [one.job_id] : [])));
}

const needsKeyOfOthers = (world: World, session: number, job: Job): boolean =>
  wantsKey(job) && world.keyWaits(session, job.type, job.key) !== 'never';

async function deadAmong(sql: Sql, jobs: readonly Job[]): Promise<ReadonlySet<string>> {
  const rows = await sql<{ id: string }>`
    select id from ops.jobs where id = any (${jobs.map(({ id }) => id)}) and status = 'failed'`;
  return new Set(rows.map(({ id }) => id));
}

/** As if this day were over and its retention too; while no transaction is open, which would be in the way. */
export const endDay = (): Command =>
  command(
    'the day ends',
    async (world, { queue }) => {
      const today = new Date().toISOString().slice(0, 10);
      // Of two days only one could be made anew.
      if (world.seen().some(({ id }) => dayOf(id) !== today)) return;
      await learnOfLost(world, queue.api());
      const dropped =
        await queue.owner`select ops.drop_day(${today}::date, clock_timestamp(), 10000) as dropped`;
      expect(dropped).toEqual([{ dropped: true }]);
      await queue.owner`select ops.make_partitions()`;
      // Of a claim that is not over nothing goes: whoever reports once more would count as the first.
      const kept = ofOpenClaims(world);
      world.forget(({ id, status }) => (status === 'completed' || status === 'cancelled') && !kept.has(id));
    },
    (world) => world.isQuiet(),
  );

/** Of UTC, as the time in the id has it. */
const dayOf = (id: string): string =>
  new Date(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toISOString().slice(0, 10);
