import { describe, expect, it } from 'vitest';
import { type Claim, DEAD_AFTER_SECONDS, connectQueue, newWorker, untilDead } from './queue.ts';

const { api, worker, beat, claim, claimedByBeating, report } = await connectQueue();

describe('[DATA-6] ops.register_heartbeat', () => {
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

/** A job whose worker beats on until its lease is old enough to be doubted, and then says which leases it has. */
async function claimedLongAgo(leases: (mine: Claim) => Claim[] | null) {
  const mine = await claimedByBeating();
  await beat(mine.worker, DEAD_AFTER_SECONDS, []);
  expect(await claim(mine.job_type), 'while the lease is young').toEqual([]);
  await untilDead();
  await beat(mine.worker, DEAD_AFTER_SECONDS, leases(mine));
  return mine;
}

describe('[DATA-6] ops.worker_beat', () => {
  it.for([0, 0.5, 3601, 'NaN', 'Infinity'])('refuses %j seconds of silence with 22023', async (seconds) => {
    const work = worker`select ops.worker_beat(${newWorker()}, 'test', null, 'running', ${seconds}, null, null)`;
    await expect(work).rejects.toMatchObject({ code: '22023' });
  });

  it('returns the tokens of others and of nobody', async () => {
    const mine = await claimedByBeating();
    const theirs = await claimedByBeating();
    const leases = [mine, theirs];
    expect(await beat(mine.worker, DEAD_AFTER_SECONDS, leases)).toEqual([theirs.lease_token]);
  });

  describe.concurrent('[Q-3] of a live worker that does not have a lease, as the answer to its claim was lost', () => {
    it('returns the job to the queue', async () => {
      const mine = await claimedLongAgo(() => []);
      expect(await claim(mine.job_type)).toMatchObject([{ job_id: mine.job_id, attempts: 2 }]);
    });

    it('leaves a job whose lease the worker names', async () => {
      const mine = await claimedLongAgo((one) => [one]);
      expect(await claim(mine.job_type)).toEqual([]);
    });

    it('leaves all jobs of a worker that says nothing of its leases', async () => {
      const mine = await claimedLongAgo(() => null);
      expect(await claim(mine.job_type)).toEqual([]);
    });

    it('accepts the outcome if it comes after all, before anybody took the job', async () => {
      const mine = await claimedLongAgo(() => []);
      expect(await report(mine, { status: 'completed' })).toBe(true);
    });
  });
});
