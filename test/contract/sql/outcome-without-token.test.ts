import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connectQueue, newType, only } from './queue.ts';

const queue = await connectQueue();
const { worker, queueJob, job, claim, claimed, updateStatus } = queue;

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

  it('refuses a token that is no number, and leaves the job alone', async () => {
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
