import { randomUUID } from 'node:crypto';
import { pagesRead } from '#test/support/pages-read.ts';
import { describe, expect, it } from 'vitest';
import { ORGANIZATION, connectQueue, newType, newWorker } from './queue.ts';

const queue = await connectQueue();
const { admin, queueJob, queueJobs, claim } = queue;
const session = await queue.session('admin');
await session.run(`set ops.organization_id = '${ORGANIZATION}'`);

const MANY = 2000;
/** Pages of indexes that are a level deeper, and of rows that lie less well. */
const SLACK = 20;
const LATER = '2099-01-01T00:00:00Z';

/** The median of a few: one in some needs a new plan, which reads the catalogue. */
async function pagesOf(statements: readonly string[]): Promise<number> {
  const pages: number[] = [];
  for (const statement of statements) {
    pages.push((await pagesRead(session.run, statement)).pages);
  }
  return pages.toSorted((one, other) => one - other)[Math.floor(pages.length / 2)] ?? Infinity;
}

const SOME = Array.from({ length: 9 }, (_, index) => index);
const again = (statement: string): string[] => SOME.map(() => statement);
const jobsOf = (type: string, count: number, more: (index: number) => object = () => ({})) =>
  Array.from({ length: count }, (_, index) => ({ type, ...more(index) }));
/** In one round trip. */
const claimEach = async (type: string): Promise<void> =>
  void (await admin`select count(*) from generate_series(1, ${MANY}) n,
                      lateral (select * from ops.claim_jobs(array[${type}], 1, 30, ${newWorker()}) where n > 0) c`);
const queueEach = async (type: string): Promise<void> =>
  void (await admin`select count(ops.queue_job(${type}, '1')) from generate_series(1, ${MANY})`);

interface Case {
  readonly what: string;
  /** Statements that look something up, of new jobs each time. */
  readonly lookUp: () => Promise<readonly string[]>;
  readonly addMany: () => Promise<unknown>;
}

const rare = newType();
const big = newType();
const claimOne = (type: string): string =>
  `select * from ops.claim_jobs(array['${type}'], 1, 30, '${newWorker()}')`;

const cases: Case[] = [
  {
    what: 'a claim of a type that was hardly ever claimed, beside many claims of another one',
    async lookUp() {
      await queueJobs(jobsOf(rare, SOME.length));
      return again(claimOne(rare));
    },
    async addMany() {
      await queueEach(big);
      await claimEach(big);
    },
  },
  {
    what: 'a report beside many open claims',
    async lookUp() {
      const type = newType();
      await queueJobs(jobsOf(type, SOME.length));
      const statements: string[] = [];
      for (const _ of SOME) {
        const [job] = await claim(type);
        statements.push(
          `select ops.complete_jobs('{${job?.job_id}}', '{${job?.lease_token}}', '{completed}')`,
        );
      }
      return statements;
    },
    async addMany() {
      const type = newType();
      await queueEach(type);
      await claimEach(type);
    },
  },
  {
    what: 'a list of an organisation that has few jobs, beside one that has many',
    async lookUp() {
      await queueJobs(jobsOf(newType(), 3));
      return again('select * from ops.scan_jobs(null, null, null, null, null, 100)');
    },
    async addMany() {
      for (let n = 0; n < 5; n += 1)
        await queueJobs(jobsOf(newType(), MANY), { organization_id: randomUUID() });
    },
  },
  {
    what: 'the totals of a queue with many jobs for later',
    lookUp: async () => await Promise.resolve(again('select * from ops.queue_stats()')),
    addMany: async () => await queueJobs(jobsOf(newType(), 4 * MANY, () => ({ run_at: LATER }))),
  },
  {
    what: 'the figures of an organisation with many jobs for later',
    lookUp: async () => await Promise.resolve(again('select * from ops.queue_figures()')),
    addMany: async () => await queueJobs(jobsOf(newType(), 4 * MANY, () => ({ run_at: LATER }))),
  },
  {
    what: 'a job whose unique key is taken, beside many other keys',
    async lookUp() {
      const [type, key] = [newType(), randomUUID()];
      await queueJob({ type, unique_key: key });
      return again(`select ops.queue_job_idempotent('${type}', '1', '${key}')`);
    },
    addMany: async () =>
      await queueJobs(jobsOf(newType(), 2 * MANY, (index) => ({ unique_key: `${index}`, run_at: LATER }))),
  },
];

describe('[Q-8] reads no more pages, and the planner knows all', () => {
  it.for(cases)('for $what', { timeout: 120_000 }, async ({ lookUp, addMany }) => {
    await admin`analyze`;
    await pagesOf(await lookUp());
    const before = await pagesOf(await lookUp());
    await addMany();
    await admin`analyze`;
    await pagesOf(await lookUp());
    expect(await pagesOf(await lookUp())).toBeLessThan(before + SLACK);
  });
});
