import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { createPool } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresWorkerQueue } from '#src/adapters/outbound/postgres/worker-queue.ts';
import type { ClaimedJob, NewJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import { testDatabase } from '../../support/database.ts';

const { urls } = await testDatabase();
const owner = new Client({ connectionString: urls.owner });
await owner.connect();
// Looks at what the commit of a claim is going to wait for.
await owner.query(`
  create table public.seen (synchronous_commit text);
  create function public.see() returns trigger language plpgsql security definer as $$
  begin
    insert into public.seen values (current_setting('synchronous_commit'));
    return null;
  end $$;
  create constraint trigger see after insert on ops.lease deferrable initially deferred
    for each row execute function public.see()`);

function poolThatCommits(setting: string) {
  const url = new URL(urls.worker);
  url.searchParams.set('options', `-c synchronous_commit=${setting}`);
  return createPool({
    url: url.href,
    applicationName: 'test',
    max: 1,
    acquireTimeoutMs: 2000,
    statementTimeoutMs: 5000,
    onIdleError: () => {},
  });
}
const pool = poolThatCommits('on');
const worker = { id: 'worker-1', hostname: 'test', deadAfterMs: 60_000 };
afterAll(async () => {
  await pool.end();
  await owner.end();
});

async function seenByClaim(maxAttempts: readonly number[], own = pool): Promise<unknown[]> {
  const jobs = maxAttempts.map((attempts) => ({ type: 'a', payload: {}, max_attempts: attempts }));
  await owner.query('select ops.queue_jobs($1)', [JSON.stringify(jobs)]);
  const claimed = await postgresWorkerQueue(own, worker, () => {}).claim(['a'], 10);
  expect(claimed).toHaveLength(jobs.length);
  const { rows } = await owner.query('with gone as (delete from public.seen returning *) select * from gone');
  return rows.map(({ synchronous_commit: setting }) => setting as unknown);
}

describe('[Q-3] [Q-8] the commit of a claim', () => {
  it('does not wait for the disk', async () => {
    expect(await seenByClaim([2, 3])).toEqual(['off']);
    const { rows } = await pool.query<{ synchronous_commit: string }>('show synchronous_commit');
    expect(rows).toEqual([{ synchronous_commit: 'on' }]);
  });

  it('waits when it begins the last attempt of a job, as long as the connection is set to', async () => {
    expect(await seenByClaim([1])).toEqual(['on']);
    expect(await seenByClaim([3, 1, 2])).toEqual(['on']);
    const replicated = poolThatCommits('remote_write');
    expect(await seenByClaim([2, 1], replicated)).toEqual(['remote_write']);
    await replicated.end();
  });
});

it('[ARC-5] a report wakes idle workers for what can run at once, when it is stored', async () => {
  let woken: string[] = [];
  const queue = postgresWorkerQueue(pool, worker, (types) => woken.push(...types));
  const reported = async (outcome: Outcome): Promise<string[]> => {
    woken = [];
    await owner.query("select ops.queue_job('a', '1')");
    const [job] = await queue.claim(['a'], 1);
    await queue.complete([{ job: job as ClaimedJob, outcome }]);
    return woken;
  };
  const next = { type: 'b', payload: 1, maxAttempts: 3 };
  const followUps = [next, { ...next, type: 'c', runAt: '2099-01-01T00:00:00Z' }];
  expect(await reported({ status: 'completed', result: null })).toEqual([]);
  expect(await reported({ status: 'completed', result: null, followUps })).toEqual(['b']);
  expect(await reported({ status: 'failed', error: 'no' })).toEqual([]);
  expect(await reported({ status: 'retry', error: 'no', backoffSeconds: 60 })).toEqual([]);
  expect(await reported({ status: 'released', backoffSeconds: 60 })).toEqual([]);
  expect(await reported({ status: 'released' })).toEqual(['a']);
  const faulty: NewJob = { ...next, type: '' };
  await expect(reported({ status: 'completed', result: null, followUps: [faulty] })).rejects.toMatchObject({
    code: '22023',
  });
  expect(woken).toEqual([]);
});
