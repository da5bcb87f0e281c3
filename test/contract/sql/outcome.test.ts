import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Claim, type NewJob, type Outcome, connectQueue, only } from './queue.ts';
import { newType, newWorker } from './roles.ts';

const queue = await connectQueue();
const { worker, as, queueJob, job, claim, report, updateStatus } = queue;

/** A job that a live worker holds. */
async function claimed(options: Partial<NewJob> = {}): Promise<Claim> {
  const type = newType();
  await queueJob({ type, ...options });
  return only(await claim(type));
}

const leaseOf = ({ job_id, lease_token }: Claim) => ({ job_id, lease_token });

/** The ids of the jobs that took their outcomes. */
const complete = async (outcomes: readonly object[]): Promise<string[]> => {
  const rows = await worker<{ id: string }>`
    select complete_jobs as id from ops.complete_jobs(${JSON.stringify(outcomes)})`;
  return rows.map(({ id }) => id);
};

/** Both ways to report an outcome. */
const reporters: [string, (claim: Claim, outcome: Outcome) => Promise<boolean>][] = [
  [
    'ops.update_job_status',
    async ({ job_id, lease_token }, { status, error, backoff_seconds }) =>
      await updateStatus(job_id, status, {
        token: lease_token,
        ...(error !== undefined && { error }),
        ...(backoff_seconds !== undefined && { backoff: backoff_seconds }),
      }),
  ],
  ['ops.complete_jobs', report],
];

describe.for(reporters)('%s', ([, report]) => {
  it('completes a job', async () => {
    const mine = await claimed();
    expect(await report(mine, { status: 'completed' })).toBe(true);
    const row = await job(mine.job_id);
    expect(row).toMatchObject({ status: 'completed', attempts: 1, last_error: null });
    expect(row.finished_at?.getTime()).toBeGreaterThanOrEqual(row.started_at?.getTime() ?? Infinity);
    expect(await claim(mine.job_type)).toEqual([]);
  });

  it('makes a failed job a dead letter, with attempts left or not', async () => {
    const mine = await claimed();
    expect(await report(mine, { status: 'failed', error: 'no such host' })).toBe(true);
    expect(await job(mine.job_id)).toMatchObject({
      status: 'failed',
      attempts: 1,
      last_error: 'no such host',
    });
    expect(await claim(mine.job_type)).toEqual([]);
  });

  it('cancels a job', async () => {
    const mine = await claimed();
    expect(await report(mine, { status: 'cancelled' })).toBe(true);
    expect(await job(mine.job_id)).toMatchObject({ status: 'cancelled', finished_at: expect.any(Date) });
    expect(await claim(mine.job_type)).toEqual([]);
  });

  it('[Q-5] retries a job once its back-off has passed by the clock, not by the start of the transaction', async () => {
    const mine = await claimed();
    const before = Date.now();
    expect(await report(mine, { status: 'pending', error: 'busy', backoff_seconds: 1 })).toBe(true);
    const row = await job(mine.job_id);
    expect(row).toMatchObject({ status: 'pending', attempts: 1, last_error: 'busy', finished_at: null });
    expect(row.run_at.getTime()).toBeGreaterThanOrEqual(before + 950);
    expect(await claim(mine.job_type)).toEqual([]);
    await expect
      .poll(async () => await claim(mine.job_type), { timeout: 5000 })
      .toMatchObject([{ attempts: 2 }]);
  });

  it('[Q-5] makes a retry without attempts left a dead letter', async () => {
    const mine = await claimed({ max_attempts: 2 });
    await report(mine, { status: 'pending', error: 'first', backoff_seconds: 0 });
    const again = only(await claim(mine.job_type));
    expect(await report(again, { status: 'pending', error: 'second', backoff_seconds: 0 })).toBe(true);
    expect(await job(mine.job_id)).toMatchObject({
      status: 'failed',
      attempts: 2,
      max_attempts: 2,
      last_error: 'second',
      finished_at: expect.any(Date),
    });
    expect(await claim(mine.job_type)).toEqual([]);
  });

  it.for([
    ['no status', { status: null }],
    ['an unknown status', { status: 'processing' }],
    ['a retry without back-off', { status: 'pending' }],
    ['a negative back-off', { status: 'pending', backoff_seconds: -1 }],
    ['a back-off above a year', { status: 'pending', backoff_seconds: 31_536_001 }],
  ] as const)('[Q-2] refuses %s with 22023 and leaves the job alone', async ([, outcome]) => {
    const mine = await claimed();
    await expect(report(mine, outcome as Outcome)).rejects.toMatchObject({ code: '22023' });
    expect(await report(mine, { status: 'completed' })).toBe(true);
  });

  it('keeps 2,000 characters of an error, whatever their width', async () => {
    const mine = await claimed();
    await report(mine, { status: 'failed', error: '🐉'.repeat(2001) });
    expect((await job(mine.job_id)).last_error).toBe('🐉'.repeat(2000));
  });

  it('[Q-3] accepts one outcome of an attempt', async () => {
    const mine = await claimed();
    expect(await report(mine, { status: 'completed' })).toBe(true);
    for (const status of ['completed', 'failed', 'cancelled']) {
      expect(await report(mine, { status })).toBe(false);
    }
    expect(await report(mine, { status: 'pending', backoff_seconds: 0 })).toBe(false);
    expect(await job(mine.job_id)).toMatchObject({ status: 'completed' });
  });

  it('[Q-3] accepts one of many outcomes that are reported at once', async () => {
    const mine = await claimed();
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => await report(mine, { status: 'completed' })),
    );
    expect(answers.filter(Boolean)).toHaveLength(1);
  });

  it('[Q-4] ignores who lost the lease to the next attempt', async () => {
    const mine = await claimed();
    await report(mine, { status: 'pending', backoff_seconds: 0 });
    const next = only(await claim(mine.job_type));
    expect(await report(mine, { status: 'completed' })).toBe(false);
    expect(await report({ ...mine, lease_token: randomUUID() }, { status: 'completed' })).toBe(false);
    expect(await job(mine.job_id)).toMatchObject({ status: 'processing', attempts: 2 });
    expect(await report(next, { status: 'completed' })).toBe(true);
  });

  it('ignores an unknown job, and a token of another job', async () => {
    const [mine, other] = [await claimed(), await claimed()];
    expect(await report({ ...mine, job_id: randomUUID() }, { status: 'completed' })).toBe(false);
    expect(await report({ ...mine, lease_token: other.lease_token }, { status: 'completed' })).toBe(false);
  });
});

describe('[Q-4] ops.update_job_status without a lease token', () => {
  it('acts on the current attempt while its lease is live', async () => {
    const mine = await claimed();
    expect(await updateStatus(mine.job_id, 'completed')).toBe(true);
    expect(await updateStatus(mine.job_id, 'completed')).toBe(false);
  });

  it('treats an empty token as none', async () => {
    const mine = await claimed();
    expect(await updateStatus(mine.job_id, 'completed', { token: '' })).toBe(true);
  });

  it('does nothing to a job that nobody holds', async () => {
    const id = await queueJob({ type: newType() });
    for (const status of ['completed', 'failed', 'cancelled']) {
      expect(await updateStatus(id, status)).toBe(false);
    }
    expect(await job(id)).toMatchObject({ status: 'pending' });
    expect(await updateStatus(randomUUID(), 'completed')).toBe(false);
    expect(await worker`select ops.update_job_status(null, 'completed') as done`).toEqual([{ done: false }]);
  });

  it('does nothing once the lease has expired, even before anybody took the job back', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const mine = only(await claim(type, { minutes: 0 }));
    expect(await updateStatus(id, 'completed')).toBe(false);
    expect(await updateStatus(id, 'completed', { token: mine.lease_token }), 'the token is still good').toBe(
      true,
    );
  });

  it('refuses a token that is no uuid, and leaves the job alone', async () => {
    const mine = await claimed();
    const work = updateStatus(mine.job_id, 'completed', { token: 'garbage' });
    await expect(work).rejects.toMatchObject({ code: '22P02' });
    expect(await job(mine.job_id)).toMatchObject({ status: 'processing' });
  });

  it('cannot give a job back', async () => {
    const mine = await claimed();
    await expect(updateStatus(mine.job_id, 'released')).rejects.toMatchObject({ code: '22023' });
  });

  it('forgets the token with its transaction', async () => {
    const [first, second] = [await claimed(), await claimed()];
    const { sql } = await queue.session('worker');
    await sql`begin`;
    await sql`select set_config('ops.lease_token', ${first.lease_token}, true)`;
    await sql`select ops.update_job_status(${first.job_id}, 'completed')`;
    await sql`commit`;
    expect(await sql`select ops.update_job_status(${second.job_id}, 'completed') as done`).toEqual([
      { done: true },
    ]);
  });
});

describe('ops.complete_jobs', () => {
  it('reports many outcomes and says which took effect', async () => {
    const [done, retried, lost] = [await claimed(), await claimed(), await claimed()];
    await report(lost, { status: 'failed' });
    const took = await complete([
      { ...leaseOf(lost), status: 'completed' },
      { ...leaseOf(done), status: 'completed', result: { n: [1, 'a'] } },
      { ...leaseOf(retried), status: 'pending', backoff_seconds: 0.5 },
      { job_id: randomUUID(), lease_token: randomUUID(), status: 'completed' },
      { job_id: null, lease_token: null, status: 'completed' },
    ]);
    expect(took.toSorted()).toEqual([done.job_id, retried.job_id].toSorted());
    expect(await job(done.job_id)).toMatchObject({ status: 'completed', result: { n: [1, 'a'] } });
    expect(await job(retried.job_id)).toMatchObject({ status: 'pending', result: null });
    expect(await job(lost.job_id)).toMatchObject({ status: 'failed', result: null });
  });

  it('needs a token: the setting of the transaction and a live lease are not enough', async () => {
    const mine = await claimed();
    const rows = await as('worker', { lease_token: mine.lease_token })`
      select ops.complete_jobs(${JSON.stringify([{ job_id: mine.job_id, status: 'completed' }])})`;
    expect(rows).toEqual([]);
  });

  it('gives a job back with its attempt, at its old place in the queue', async () => {
    const mine = await claimed({ max_attempts: 1 });
    await queueJob({ type: mine.job_type });
    expect(await report(mine, { status: 'released' })).toBe(true);
    expect(await job(mine.job_id)).toMatchObject({ status: 'pending', attempts: 0, finished_at: null });
    const again = only(await claim(mine.job_type, { worker: newWorker() }));
    expect(again).toMatchObject({ job_id: mine.job_id, attempts: 1 });
    expect(await report(mine, { status: 'completed' }), 'the lease went with it').toBe(false);
  });

  it('takes nothing of a batch with a fault, so that the caller can send its outcomes one by one', async () => {
    const [good, bad] = [await claimed(), await claimed()];
    const outcomes = [
      { ...leaseOf(good), status: 'completed' },
      { ...leaseOf(bad), status: 'nonsense' },
    ];
    await expect(complete(outcomes)).rejects.toMatchObject({ code: '22023' });
    expect(await report(good, { status: 'completed' })).toBe(true);
  });

  it('takes the first of two outcomes of one attempt', async () => {
    const mine = await claimed();
    const outcome = { ...leaseOf(mine), status: 'completed' };
    expect(await complete([outcome, { ...outcome, status: 'failed' }])).toEqual([mine.job_id]);
  });

  it('reports nothing from an empty array', async () => {
    expect(await complete([])).toEqual([]);
  });
});
