import { describe, expect, it } from 'vitest';
import { connectQueue, newType, newWorker } from './queue.ts';

const queue = await connectQueue();
const { queueJobs, claim } = queue;

const BACKLOG = 5000;
const CLAIMS = 20;
/** As few jobs as these claims need. */
const FEW = CLAIMS + 1;
/** Pages of indexes that are a level deeper, and of rows that lie less well. */
const SLACK = 40;

const jobsOf = (type: string, count: number, runAt?: string) =>
  Array.from({ length: count }, () => ({ type, ...(runAt === undefined ? {} : { run_at: runAt }) }));

/** Pages that the claim of one job reads: the least of many, as it looks back at up to 16 others, and now and then sweeps. */
async function pagesOfClaim(type: string): Promise<number> {
  const { run } = await queue.session('worker');
  const statement = `select * from ops.claim_jobs(array['${type}'], 1, 30, '${newWorker()}')`;
  await run(statement); // makes the plan, which reads the catalogue
  const pages: number[] = [];
  for (let n = 0; n < CLAIMS; n += 1) {
    const { rows } = (await run(`explain (analyze, buffers, format json) ${statement}`)) as {
      rows: [{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }];
    };
    const plan = rows[0]['QUERY PLAN'][0].Plan;
    expect(plan['Actual Rows']).toBe(1);
    pages.push((plan['Shared Hit Blocks'] ?? Infinity) + (plan['Shared Read Blocks'] ?? Infinity));
  }
  return Math.min(...pages);
}

/** Of a type that has just a few jobs. */
async function pagesAtRest(): Promise<number> {
  const type = newType();
  await queueJobs(jobsOf(type, FEW));
  return await pagesOfClaim(type);
}

describe('[Q-8] a claim reads no more pages', () => {
  it('of a long backlog', async () => {
    const atRest = await pagesAtRest();
    const type = newType();
    await queueJobs(jobsOf(type, BACKLOG));
    expect(await pagesOfClaim(type)).toBeLessThan(atRest + SLACK);
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

  it('behind many jobs that were claimed while an old transaction keeps their rows', async () => {
    const atRest = await pagesAtRest();
    const old = await queue.session('admin');
    await old.run('begin isolation level repeatable read');
    await old.sql`select pg_current_xact_id()`;
    const type = newType();
    for (let n = 0; n < 6; n += 1) await queueJobs(jobsOf(type, BACKLOG));
    await expect.poll(async () => await claim(type, { limit: 1000 }), { timeout: 20_000 }).toEqual([]);
    await queueJobs(jobsOf(type, FEW));
    const pages = await pagesOfClaim(type);
    await old.sql`rollback`;
    expect(pages).toBeLessThan(atRest + SLACK);
  });
});
