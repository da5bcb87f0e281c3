import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Claim, type Outcome, connectQueue, only } from './queue.ts';

const { job, claim, claimed, report, updateStatus } = await connectQueue();

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
    expect(await report({ ...mine, lease_token: '999999999' }, { status: 'completed' })).toBe(false);
    expect(await job(mine.job_id)).toMatchObject({ status: 'processing', attempts: 2 });
    expect(await report(next, { status: 'completed' })).toBe(true);
  });

  it('ignores an unknown job, and a token of another job', async () => {
    const [mine, other] = [await claimed(), await claimed()];
    expect(await report({ ...mine, job_id: randomUUID() }, { status: 'completed' })).toBe(false);
    expect(await report({ ...mine, lease_token: other.lease_token }, { status: 'completed' })).toBe(false);
  });
});
