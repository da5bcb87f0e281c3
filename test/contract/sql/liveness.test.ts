import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Claim, type NewJob, connectQueue, only } from './queue.ts';
import { newType, newWorker } from './roles.ts';

const queue = await connectQueue();
const { api, worker, queueJob, job, claim, report, updateStatus, beat } = queue;

const DEAD_AFTER_SECONDS = 1;
const untilDead = async () => await sleep(DEAD_AFTER_SECONDS * 1000 + 50);

/** A job of a worker that beats, and is dead a second after it stops to. */
async function claimedByBeating(options: Partial<NewJob> = {}): Promise<Claim & { worker: string }> {
  const [type, workerId] = [newType(), newWorker()];
  await queueJob({ type, ...options });
  await beat(workerId, DEAD_AFTER_SECONDS);
  // The lock time-out would be over at once: it must not matter.
  return { ...only(await claim(type, { worker: workerId, minutes: 0 })), worker: workerId };
}

/** A job whose claimant never beat and whose lock time-out is over. */
async function claimedAndExpired(options: Partial<NewJob> = {}): Promise<Claim> {
  const type = newType();
  await queueJob({ type, ...options });
  return only(await claim(type, { minutes: 0 }));
}

const reaped = ({ job_id, job_type, attempts, max_attempts }: Claim, action_taken: string) => ({
  job_id,
  job_type,
  action_taken,
  attempts,
  max_attempts,
});
const reap = async (minutes = 30) =>
  await worker<{ job_id: string }>`select * from ops.reap_stuck_jobs(${minutes})`;

describe.concurrent('[Q-6] a worker that ever beat', () => {
  it('keeps a job longer than any lock time-out while it beats', async () => {
    const mine = await claimedByBeating();
    for (let beats = 0; beats < 4; beats += 1) {
      await sleep(DEAD_AFTER_SECONDS * 400);
      expect(await beat(mine.worker, DEAD_AFTER_SECONDS, [mine.lease_token])).toEqual([]);
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
    expect(await beat(mine.worker, DEAD_AFTER_SECONDS, [mine.lease_token])).toEqual([mine.lease_token]);
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
    expect(await beat(mine.worker, DEAD_AFTER_SECONDS, [mine.lease_token])).toEqual([]);
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
    const mine = await claimedAndExpired();
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
    const mine = await claimedAndExpired();
    const { sql } = await queue.session('worker');
    await sql`begin`;
    await sql`select 1`;
    const late = await claimedAndExpired();
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

describe('ops.reap_stuck_jobs', () => {
  it('sends lost jobs back to the queue, or to the dead letters, and says so', async () => {
    const [again, dead] = [await claimedAndExpired(), await claimedAndExpired({ max_attempts: 1 })];
    const rows = await worker`select * from ops.reap_stuck_jobs()`;
    expect(rows).toEqual(expect.arrayContaining([reaped(again, 'requeued'), reaped(dead, 'dead_lettered')]));
    expect(await job(again.job_id)).toMatchObject({ status: 'pending', finished_at: null });
    expect(await job(dead.job_id)).toMatchObject({ status: 'failed', finished_at: expect.any(Date) });
    expect(await claim(again.job_type)).toMatchObject([{ attempts: 2 }]);
  });

  it('shortens the lock time-out of claimants that never beat', async () => {
    const type = newType();
    const id = await queueJob({ type });
    await claim(type, { minutes: 1440 });
    expect((await reap(30)).map(({ job_id }) => job_id)).not.toContain(id);
    expect((await reap(0)).map(({ job_id }) => job_id)).toContain(id);
  });

  it('takes no job from a worker that beats, whatever the lock time-out', async () => {
    const mine = await claimedByBeating();
    expect((await reap(0)).map(({ job_id }) => job_id)).not.toContain(mine.job_id);
    expect(await report(mine, { status: 'completed' })).toBe(true);
  });

  it.for([null, -1, 1441])('refuses a lock time-out of %j minutes with 22023', async (minutes) => {
    await expect(worker`select ops.reap_stuck_jobs(${minutes})`).rejects.toMatchObject({ code: '22023' });
  });

  it('refuses a repeatable read transaction, whose old snapshot shows live workers as silent', async () => {
    const { sql } = await queue.session('worker');
    await sql`begin isolation level repeatable read`;
    await expect(sql`select ops.reap_stuck_jobs()`).rejects.toMatchObject({ code: '25000' });
    await sql`rollback`;
  });
});

describe('ops.register_heartbeat', () => {
  it('returns the worker id and is repeatable, from many connections at once', async () => {
    const id = newWorker();
    const beats = Array.from(
      { length: 8 },
      async () => await worker`select ops.register_heartbeat(${id}, 'test', 'localhost', 'running') as id`,
    );
    for (const rows of await Promise.all(beats)) expect(rows).toEqual([{ id }]);
    expect(await api()`select id, alive from ops.workers where id = ${id}`).toEqual([{ id, alive: true }]);
  });

  it('keeps how long the worker may be silent', async () => {
    const id = newWorker();
    await beat(id, DEAD_AFTER_SECONDS);
    await worker`select ops.register_heartbeat(${id}, 'test')`;
    await untilDead();
    expect(await api()`select alive from ops.workers where id = ${id}`).toEqual([{ alive: false }]);
  });

  it.for([
    ['no worker', null, 'test', 'running'],
    ['an empty worker', '', 'test', 'running'],
    ['a worker of 201 characters', 'x'.repeat(201), 'test', 'running'],
    ['no worker type', 'w', null, 'running'],
    ['an empty worker type', 'w', '', 'running'],
    ['no status', 'w', 'test', null],
    ['an unknown status', 'w', 'test', 'asleep'],
  ] as const)('refuses %s with 22023', async ([, id, type, status]) => {
    const work = worker`select ops.register_heartbeat(${id}, ${type}, null, ${status})`;
    await expect(work).rejects.toMatchObject({ code: '22023' });
  });
});

describe('ops.worker_beat', () => {
  it.for([0, 0.5, 3601, 'NaN', 'Infinity'])('refuses %j seconds of silence with 22023', async (seconds) => {
    const work = worker`select ops.worker_beat(${newWorker()}, 'test', null, 'running', ${seconds}, null)`;
    await expect(work).rejects.toMatchObject({ code: '22023' });
  });

  it('returns the tokens of others and of nobody', async () => {
    const mine = await claimedByBeating();
    const theirs = await claimedByBeating();
    const tokens = [mine.lease_token, theirs.lease_token];
    expect(await beat(mine.worker, DEAD_AFTER_SECONDS, tokens)).toEqual([theirs.lease_token]);
  });
});
