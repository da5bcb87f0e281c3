import { describe, expect, it } from 'vitest';
import { type Claim, EXPIRED, connectQueue } from './queue.ts';

const { worker, job, claim, claimed, claimedByBeating, report } = await connectQueue();

const reaped = ({ job_id, job_type, attempts, max_attempts }: Claim, action_taken: string) => ({
  job_id,
  job_type,
  action_taken,
  attempts,
  max_attempts,
});
const reap = async (minutes = 30): Promise<string[]> => {
  const rows = await worker<{ job_id: string }>`select job_id from ops.reap_stuck_jobs(${minutes})`;
  return rows.map(({ job_id }) => job_id);
};

describe('ops.reap_stuck_jobs', () => {
  it('sends lost jobs back to the queue, or to the dead letters, and says so', async () => {
    const [again, dead] = [await claimed({}, EXPIRED), await claimed({ max_attempts: 1 }, EXPIRED)];
    const rows = await worker`select * from ops.reap_stuck_jobs()`;
    expect(rows).toEqual(expect.arrayContaining([reaped(again, 'requeued'), reaped(dead, 'dead_lettered')]));
    expect(await job(again.job_id)).toMatchObject({ status: 'pending', finished_at: null });
    expect(await job(dead.job_id)).toMatchObject({ status: 'failed', finished_at: expect.any(Date) });
    expect(await claim(again.job_type)).toMatchObject([{ attempts: 2 }]);
  });

  it('shortens the lock time-out of claimants that never beat', async () => {
    const { job_id } = await claimed({}, { minutes: 1440 });
    expect(await reap(30)).not.toContain(job_id);
    expect(await reap(0)).toContain(job_id);
  });

  it('takes no job from a worker that beats, whatever the lock time-out', async () => {
    const mine = await claimedByBeating();
    expect(await reap(0)).not.toContain(mine.job_id);
    expect(await report(mine, { status: 'completed' })).toBe(true);
  });

  it.for([null, -1, 1441])('refuses a lock time-out of %j minutes with 22023', async (minutes) => {
    await expect(worker`select ops.reap_stuck_jobs(${minutes})`).rejects.toMatchObject({ code: '22023' });
  });
});
