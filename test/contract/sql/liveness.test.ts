import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DEAD_AFTER_SECONDS, EXPIRED, connectQueue, newType, newWorker, only, untilDead } from './queue.ts';

const queue = await connectQueue();
const { api, worker, queueJob, job, claim, claimed, claimedByBeating, report, updateStatus, beat } = queue;

describe.concurrent('[Q-6] a worker that ever beat', () => {
  it('keeps a job longer than any lock time-out while it beats', async () => {
    const DEAD_AFTER = 2 * DEAD_AFTER_SECONDS;
    const mine = await claimedByBeating();
    for (let elapsed = 0; elapsed <= DEAD_AFTER; elapsed += DEAD_AFTER / 4) {
      expect(await beat(mine.worker, DEAD_AFTER, [mine])).toEqual([]);
      await sleep((DEAD_AFTER / 4) * 1000);
      expect(await claim(mine.job_type)).toEqual([]);
    }
    expect(await updateStatus(mine.job_id, 'completed')).toBe(true);
  });

  it('loses its jobs to the next claim once it is dead, without a reaper, and the attempts with them', async () => {
    const mine = await claimedByBeating();
    await untilDead();
    const next = only(await claim(mine.job_type));
    expect(next).toMatchObject({ job_id: mine.job_id, attempts: 2 });
    expect(next.lease_token).not.toBe(mine.lease_token);
  });

  it('[Q-4] cannot change a job that was taken from it, and learns of it by the next beat', async () => {
    const mine = await claimedByBeating();
    await untilDead();
    const next = only(await claim(mine.job_type));
    expect(await report(mine, { status: 'completed' })).toBe(false);
    expect(await updateStatus(mine.job_id, 'failed', { token: mine.lease_token })).toBe(false);
    expect(await beat(mine.worker, DEAD_AFTER_SECONDS, [mine])).toEqual([mine.lease_token]);
    expect(await report(next, { status: 'completed' })).toBe(true);
  });

  it('may still report with its token while nobody took the job', async () => {
    const mine = await claimedByBeating();
    await untilDead();
    expect(await updateStatus(mine.job_id, 'completed'), 'without the token').toBe(false);
    expect(await report(mine, { status: 'completed' })).toBe(true);
  });

  it('keeps its jobs when it beats again before anybody took them', async () => {
    const mine = await claimedByBeating();
    await untilDead();
    expect(await beat(mine.worker, DEAD_AFTER_SECONDS, [mine])).toEqual([]);
    expect(await claim(mine.job_type)).toEqual([]);
  });

  it('keeps its jobs when it says stopped, until it is dead: it may be draining', async () => {
    const mine = await claimedByBeating();
    await worker`select ops.register_heartbeat(${mine.worker}, 'test', null, 'stopped')`;
    expect(await claim(mine.job_type)).toEqual([]);
    expect(await api()`select status, alive from ops.workers where id = ${mine.worker}`).toEqual([
      { status: 'stopped', alive: false },
    ]);
    await untilDead();
    expect(await claim(mine.job_type)).toHaveLength(1);
  });

  it('is shown alive, then dead', async () => {
    const workerId = newWorker();
    await beat(workerId, DEAD_AFTER_SECONDS);
    const shown = async () => await api()`select type, status, alive from ops.workers where id = ${workerId}`;
    expect(await shown()).toEqual([{ type: 'test', status: 'running', alive: true }]);
    await untilDead();
    expect(await shown()).toEqual([{ type: 'test', status: 'running', alive: false }]);
  });

  it('whose job kills it ends as a dead letter when the attempts are used up', async () => {
    const first = await claimedByBeating({ max_attempts: 2 });
    await untilDead();
    const killer = newWorker();
    await beat(killer, DEAD_AFTER_SECONDS);
    expect(await claim(first.job_type, { worker: killer })).toMatchObject([{ attempts: 2, max_attempts: 2 }]);
    await untilDead();
    expect(await claim(first.job_type)).toEqual([]);
    expect(await job(first.job_id)).toMatchObject({
      status: 'failed',
      attempts: 2,
      finished_at: expect.any(Date),
      last_error: expect.stringContaining('died'),
    });
  });
});

describe('[Q-6] a claimant that never beat', () => {
  it('loses its job when its lock time-out is over, 0 minutes at once', async () => {
    const mine = await claimed({}, EXPIRED);
    expect(only(await claim(mine.job_type))).toMatchObject({ job_id: mine.job_id, attempts: 2 });
    expect(await report(mine, { status: 'completed' })).toBe(false);
  });

  it('keeps its job before that, whatever time-out the next claimant has', async () => {
    const type = newType();
    await queueJob({ type });
    const mine = only(await claim(type, { minutes: 1 }));
    expect(await claim(type, { minutes: 0 })).toEqual([]);
    expect(await report(mine, { status: 'completed' })).toBe(true);
  });

  it('is measured by the clock, also in a long transaction', async () => {
    const mine = await claimed({}, EXPIRED);
    const { sql } = await queue.session('worker');
    await sql`begin`;
    await sql`select 1`;
    const late = await claimed({}, EXPIRED);
    expect(await claim([mine.job_type, late.job_type], { limit: 2 }, sql)).toHaveLength(2);
    await sql`commit`;
  });

  it('keeps its job if it begins to beat', async () => {
    const [type, workerId] = [newType(), newWorker()];
    await queueJob({ type });
    const mine = only(await claim(type, { worker: workerId, minutes: 0 }));
    await worker`select ops.register_heartbeat(${workerId}, 'test')`;
    expect(await claim(type)).toEqual([]);
    expect(await report(mine, { status: 'completed' })).toBe(true);
  });
});
