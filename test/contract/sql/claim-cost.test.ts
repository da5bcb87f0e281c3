import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pagesRead } from '#test/support/pages-read.ts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectQueue, newType, newWorker } from './queue.ts';

const queue = await connectQueue();
const { admin, api, owner, queueJobs, claim } = queue;
const asWorker = await queue.session('worker');
const asOwner = await queue.session('owner');

const BACKLOG = 5000;
const CLAIMS = 40;
/** As few jobs as these claims need. */
const FEW = CLAIMS + 1;
/** Pages of indexes that are a level deeper, and of rows that lie less well. */
const SLACK = 40;
/** Until the last claims are none of those of many, and the server's transactions of this moment have ended, those of other tests, too. */
const SETTLED = { timeout: 30_000, interval: 200 };

const jobsOf = (type: string, count: number, runAt?: string) =>
  Array.from({ length: count }, () => ({ type, ...(runAt === undefined ? {} : { run_at: runAt }) }));

/** Whether a claim also looks for what was committed late: as often as it has time for that, never, or each time. */
type Sweeps = 'usual' | 'never' | 'always';
const SWEPT: Record<Sweeps, string | undefined> = {
  usual: undefined,
  never: `sweep_took = '1 day'`,
  always: `swept_at = now() - interval '1 day', sweep_took = '0'`,
};

/** Of one statement of a worker. */
async function pagesOf(statement: string): Promise<number> {
  const { pages, rows } = await pagesRead(asWorker.run, statement);
  expect(rows).toBe(1);
  return pages;
}

/** What so many of a hundred are not above. */
const percentileOf = (pages: readonly number[], percent: number): number =>
  pages.toSorted((one, other) => one - other)[Math.ceil((pages.length * percent) / 100) - 1] ?? Infinity;

const claimOf = (type: string): string =>
  `select * from ops.claim_jobs(array['${type}'], 1, 30, '${newWorker()}')`;

/** Pages that 95 of a hundred claims of one job read at most. One sweep in 256 may read more: it starts at the beginning. */
async function pagesOfClaim(type: string, sweeps: Sweeps = 'usual'): Promise<number> {
  const statement = claimOf(type);
  await asWorker.run(statement); // makes the plan, which reads the catalogue
  const pages: number[] = [];
  for (let n = 0; n < CLAIMS; n += 1) {
    if (SWEPT[sweeps] !== undefined) {
      await asOwner.run(
        `update ops.claim set ${SWEPT[sweeps]} where id = (select id from ops.claim order by id desc limit 1)`,
      );
    }
    pages.push(await pagesOf(statement));
  }
  return percentileOf(pages, 95);
}

/** Of a type that has just a few jobs. */
async function pagesAtRest(sweeps: Sweeps = 'usual'): Promise<number> {
  const type = newType();
  await queueJobs(jobsOf(type, FEW));
  return await pagesOfClaim(type, sweeps);
}

describe('[Q-8] a claim reads no more pages', () => {
  it('of a long backlog', async () => {
    const atRest = await pagesAtRest();
    const type = newType();
    await queueJobs(jobsOf(type, BACKLOG));
    expect(await pagesOfClaim(type)).toBeLessThan(atRest + SLACK);
  });

  it('of a long backlog that is due, while the queue of somebody who has no jobs is paused', async () => {
    const atRest = await pagesAtRest();
    const type = newType();
    for (let n = 0; n < 4; n += 1)
      await queueJobs(jobsOf(type, BACKLOG, new Date(Date.now() + 2000).toISOString()));
    await sleep(2000);
    await api({ organization_id: randomUUID() })`select ops.pause_queue(${type})`;
    expect(await pagesOfClaim(type)).toBeLessThan(atRest + 2 * SLACK);
  });

  it('of a long backlog that is ready, while the queue of somebody who has no jobs is paused', async () => {
    const atRest = await pagesAtRest();
    const type = newType();
    await queueJobs(jobsOf(type, BACKLOG));
    await api({ organization_id: randomUUID() })`select ops.pause_queue(${type})`;
    expect(await pagesOfClaim(type)).toBeLessThan(atRest + 2 * SLACK);
  });

  it('beside many scheduled jobs', async () => {
    const atRest = await pagesAtRest();
    const type = newType();
    await queueJobs(jobsOf(type, BACKLOG, '2099-01-01Z'));
    await queueJobs(jobsOf(type, FEW));
    expect(await pagesOfClaim(type)).toBeLessThan(atRest + SLACK);
  });

  it('beside many jobs of other types', async () => {
    const atRest = await pagesAtRest();
    await queueJobs(jobsOf(newType(), BACKLOG));
    expect(await pagesAtRest()).toBeLessThan(atRest + SLACK);
  });
});

/** Queues many jobs and claims them all. */
async function claimMany(type: string): Promise<void> {
  for (let n = 0; n < 6; n += 1) await queueJobs(jobsOf(type, BACKLOG));
  await expect.poll(async () => await claim(type, { limit: 1000 }), { timeout: 20_000 }).toEqual([]);
}

/** The same of jobs that were due a minute ago, all at the same time; in more claims than one looks back at. */
async function claimManyDue(type: string): Promise<void> {
  for (let n = 0; n < 2; n += 1) await queueJobs(jobsOf(type, BACKLOG, '2099-01-01Z'));
  await owner`update ops.scheduled set run_at = now() - interval '1 minute'
               where lane_id in (select id from ops.lane where type = ${type})`;
  await expect.poll(async () => await claim(type, { limit: 500 }), { timeout: 20_000 }).toEqual([]);
}

/** A transaction that keeps the rows that others delete from now on: with an id, as whoever writes has, or without, as a dump. */
async function pin(withId: boolean): Promise<void> {
  const session = await queue.session('admin');
  // Also after a failure: the transaction would keep the rows of the next test.
  onTestFinished(async () => void (await session.run('rollback')));
  await session.run('begin isolation level repeatable read');
  await session.run(withId ? 'select pg_current_xact_id()' : 'select 1');
}

describe('[Q-8] behind many jobs that were claimed while an old transaction keeps their rows a claim reads no more pages', () => {
  it.for([
    {
      jobs: 'were ready',
      claimAll: claimMany,
      but: 'but for sweeps, if that writes',
      withId: true,
      sweeps: 'never',
    },
    {
      jobs: 'were due',
      claimAll: claimManyDue,
      but: 'but for sweeps, if that writes',
      withId: true,
      sweeps: 'never',
    },
    {
      jobs: 'were ready',
      claimAll: claimMany,
      but: 'nor in a sweep, if that reads',
      withId: false,
      sweeps: 'always',
    },
    {
      jobs: 'were due',
      claimAll: claimManyDue,
      but: 'nor in a sweep, if that reads',
      withId: false,
      sweeps: 'always',
    },
  ] as const)(
    'of those that $jobs, $but',
    { timeout: 2 * SETTLED.timeout },
    async ({ claimAll, withId, sweeps }) => {
      const atRest = await pagesAtRest(sweeps);
      const type = newType();
      await pin(withId);
      await claimAll(type);
      await expect
        .poll(async () => {
          await queueJobs(jobsOf(type, FEW));
          return await pagesOfClaim(type, sweeps);
        }, SETTLED)
        .toBeLessThan(atRest + SLACK);
    },
  );
});

/** Of a few: one in some needs a new plan, which reads the catalogue. */
const usualPagesOf = async (statements: readonly string[]): Promise<number> => {
  const pages: number[] = [];
  for (const statement of statements) pages.push(await pagesOf(statement));
  return percentileOf(pages, 50);
};

/** Of a claim, and of a beat. */
async function pagesOfBoth(): Promise<{ claims: number; beats: number }> {
  const type = newType();
  await queueJobs(jobsOf(type, FEW));
  const beat = `select * from ops.worker_beat('${newWorker()}', 'test', 'host', 'running', 60, '{}', '{}')`;
  return {
    claims: await usualPagesOf(Array.from({ length: 15 }, () => claimOf(type))),
    beats: await usualPagesOf(Array.from({ length: 15 }, () => beat)),
  };
}

/** Tables and indexes of that name have so many rows a page. */
const believe = async (name: string, rows: number): Promise<void> =>
  void (await admin`update pg_class set reltuples = ${rows}, relpages = 1
                     where relnamespace = 'ops'::regnamespace and relkind in ('r', 'i') and relname ~ ${name}`);

describe('[Q-8] whatever the planner believes, as statistics are always of a moment', () => {
  /** For ops.dead_claims and ops.worker_beat, which look at all open claims. */
  const OPEN = 300;

  it.for([
    { name: 'lease', rows: 0 },
    { name: 'lease', rows: 1e9 },
    { name: 'worker', rows: 0 },
    { name: 'worker', rows: 1e9 },
    { name: '', rows: 0 },
    { name: '', rows: 1e9 },
  ])(
    'a claim and a beat read as little beside many open claims, if each page of "$name" had $rows rows',
    async ({ name, rows }) => {
      const type = newType();
      await queueJobs(jobsOf(type, OPEN));
      for (let n = 0; n < OPEN; n += 1) await claim(type, { worker: newWorker() });
      await believe('', -1);
      const before = await pagesOfBoth();
      await believe(name, rows);
      const { claims, beats } = await pagesOfBoth();
      expect(claims).toBeLessThan(before.claims + SLACK);
      // Each beat leaves dead rows, which other tests may keep; a wrong plan reads pages for each claim.
      expect(beats).toBeLessThan(before.beats + OPEN);
    },
  );
});
