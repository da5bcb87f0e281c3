import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Claim, complete as completeJobs, connectQueue, newType, newWorker, only } from './queue.ts';

const { owner, worker, as, queueJob, job, claim, claimed, report, updateStatus } = await connectQueue();

const leaseOf = ({ job_id, lease_token }: Claim) => ({ job_id, lease_token });

const complete = async (outcomes: Parameters<typeof completeJobs>[0]) => await completeJobs(outcomes, worker);

describe('[DATA-6] ops.complete_jobs', () => {
  it('reports many outcomes and says which took effect', async () => {
    const [done, retried, lost] = [await claimed(), await claimed(), await claimed()];
    await report(lost, { status: 'failed' });
    const took = await complete([
      { ...leaseOf(lost), status: 'completed' },
      { ...leaseOf(done), status: 'completed', result: { n: [1, 'a'] } },
      { ...leaseOf(retried), status: 'pending', backoff_seconds: 0.5 },
      { job_id: randomUUID(), lease_token: done.lease_token, status: 'completed' },
      { job_id: randomUUID(), lease_token: '999999999', status: 'completed' },
    ]);
    expect(took.toSorted()).toEqual([done.job_id, retried.job_id].toSorted());
    expect(await job(done.job_id)).toMatchObject({ status: 'completed', result: { n: [1, 'a'] } });
    expect(await job(retried.job_id)).toMatchObject({ status: 'pending', result: null });
    expect(await job(lost.job_id)).toMatchObject({ status: 'failed', result: null });
  });

  it('needs a token: the setting of the transaction and a live lease are not enough', async () => {
    const mine = await claimed();
    const rows = await as('worker', { lease_token: mine.lease_token })`
      select job_id from ops.complete_jobs(${[mine.job_id]}, ${[null]}, ${['completed']})`;
    expect(rows, 'refused').toEqual([{ job_id: mine.job_id }]);
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

  it('gives a job back with its attempt, to run when a back-off has passed', async () => {
    const mine = await claimed({ max_attempts: 1 });
    const before = Date.now();
    expect(await report(mine, { status: 'released', backoff_seconds: 1 })).toBe(true);
    const row = await job(mine.job_id);
    expect(row).toMatchObject({ status: 'pending', attempts: 0, finished_at: null });
    expect(row.run_at.getTime()).toBeGreaterThanOrEqual(before + 950);
    expect(row.run_at.getTime()).toBeLessThan(Date.now() + 1050);
    expect(await claim(mine.job_type)).toEqual([]);
  });

  it.for([-1, 31_536_001])(
    '[Q-2] refuses to give a job back for %d seconds with 22023',
    async (backoff_seconds) => {
      const mine = await claimed();
      const work = report(mine, { status: 'released', backoff_seconds });
      await expect(work).rejects.toMatchObject({ code: '22023' });
      expect(await report(mine, { status: 'completed' })).toBe(true);
    },
  );

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

/** Of the claim, above the bits of chance. */
const numberOf = ({ lease_token }: Claim): bigint => BigInt(lease_token) >> 20n;

/** Undoes the claim of a job that was ready, as a crash of the server does before it is on the disk. */
async function undo(claim: Claim): Promise<void> {
  const { job_id: id, lease_token: token } = claim;
  await owner`delete from ops.lease where claim_id = ${token}`;
  await owner`delete from ops.claim where id = ${token}`;
  await owner`insert into ops.ready (lane_id, seq, keyed, organization_id, job_ids)
              select lane_id, seq, false, organization_id, array[id] from ops.job where id = ${id}`;
  await owner`insert into ops.tally select lane_id, organization_id, 1, 0, 0 from ops.job where id = ${id}`;
  await owner`select setval('ops.claim_id', ${numberOf(claim)}, false)`;
}

it('[Q-4] a report on a claim that a crash undid is refused, although the next claim of the job has its number', async () => {
  const type = newType();
  const id = await queueJob({ type });
  const undone = only(await claim(type));
  await undo(undone);
  const next = only(await claim(type));
  expect(next).toMatchObject({ job_id: id, attempts: 1 });
  expect(numberOf(next)).toBe(numberOf(undone));

  expect(await report(undone, { status: 'completed' })).toBe(false);
  expect(await updateStatus(id, 'completed', { token: undone.lease_token })).toBe(false);
  expect(await job(id)).toMatchObject({ status: 'processing' });
  expect(await report(next, { status: 'completed' })).toBe(true);
});
