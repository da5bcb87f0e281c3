import { pagesRead } from '#test/support/pages-read.ts';
import { describe, expect, it } from 'vitest';
import { ORGANIZATION, connectQueue, newType, newWorker } from './queue.ts';

const queue = await connectQueue();
const { api, worker, queueJobs, claimed, report } = queue;

const FINISHED = 3000;

/** Pages that a statement reads. */
async function pagesOf(role: 'api' | 'worker', statement: string): Promise<number> {
  const { sql, run } = await queue.session(role);
  await sql`select set_config('ops.organization_id', ${ORGANIZATION}, false)`;
  await run(statement); // makes the plan, which reads the catalogue
  return (await pagesRead(run, statement)).pages;
}

/** Finishes so many jobs. @returns the pages that the figures for the API and for metrics then cost */
async function finish(): Promise<number[]> {
  const type = newType();
  await queueJobs(Array.from({ length: FINISHED }, () => ({ type })));
  await api()`select ops.cancel_job(id) from ops.jobs where type = ${type}`;
  await queue.beat(newWorker(), 60);
  await queue.owner`vacuum ops.tally, ops.ready`;
  return [
    await pagesOf('api', 'select * from ops.queues'),
    await pagesOf('worker', 'select * from ops.queue_stats()'),
  ];
}

describe('the figures of the queues', () => {
  it('count what waits, what is scheduled, what runs and what is dead', async () => {
    const { job_type: type } = await claimed();
    await queueJobs([{ type }, { type }, { type, run_at: '2099-01-01Z' }]);
    const figures = { depth: 2, scheduled: 1, processing: 1 };
    expect(await api()`select * from ops.queues where type = ${type}`).toMatchObject([figures]);
    const stats = await worker<{ oldest_age_seconds: number }>`
      select * from ops.queue_stats() where type = ${type}`;
    expect(stats).toMatchObject([{ ...figures, failed: 0 }]);
    expect(stats[0]?.oldest_age_seconds).toBeLessThan(60);
    const dead = await claimed();
    await report(dead, { status: 'failed' });
    expect(await worker`select * from ops.queue_stats() where type = ${dead.job_type}`).toMatchObject([
      { depth: 0, scheduled: 0, processing: 0, failed: 1, oldest_age_seconds: 0 },
    ]);
  });

  it('and a page of each kind read as little behind a deep backlog that nobody has analysed', async () => {
    const READS = [
      'select * from ops.queues',
      ...['pending', 'processing', 'completed', 'failed', 'cancelled'].map(
        (status) => `select * from ops.scan_jobs(null, '${status}', null, null, null, 20)`,
      ),
    ];
    const read = async () => await Promise.all(READS.map(async (text) => await pagesOf('api', text)));
    await Promise.all(
      Array.from({ length: 20 }, async () => await report(await claimed(), { status: 'failed' })),
    );
    const type = newType();
    const deepen = async (jobs: number) =>
      await queueJobs(Array.from({ length: jobs }, () => ({ type, priority: 3 })));
    await deepen(3000);
    const before = await read();
    for (let more = 0; more < 10; more += 1) await deepen(3000);
    const after = await read();
    expect(after.map((pages, index) => pages / (before[index] ?? 0))).toEqual(
      READS.map(() => expect.closeTo(1, 0)),
    );
  });

  it('read no finished job', async () => {
    const [queues = 0, stats = 0] = await finish();
    const [queuesLater, statsLater] = await finish();
    expect(queuesLater).toBeLessThan(queues + 10);
    expect(statsLater).toBeLessThan(stats + 10);
  });
});
