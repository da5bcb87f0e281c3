import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Claim, ORGANIZATION, connectQueue, newType, newWorker, only } from './queue.ts';

const queue = await connectQueue();
const { api, owner, worker, queueJob, queueJobs, job, claim, report } = queue;

const claimCanonical = async (types: unknown, minutes: unknown, workerId: unknown) =>
  await worker<Claim>`select * from ops.claim_pending_job(${types}, ${minutes}, ${workerId})`;

describe('ops.claim_pending_job', () => {
  it('returns one pending job of the types, which is then processing', async () => {
    const type = newType();
    const [first] = await queueJobs([{ type, payload: { n: 1 } }, { type }]);
    const claimed = only(await claimCanonical([type, newType()], 30, newWorker()));
    expect(claimed).toMatchObject({ job_id: first?.id, job_type: type, payload: { n: 1 }, attempts: 1 });
    const row = await job(claimed.job_id);
    expect(row).toMatchObject({ status: 'processing', attempts: 1, created_at: claimed.created_at });
    expect(row.started_at?.getTime()).toBeGreaterThanOrEqual(row.created_at.getTime());
  });

  it('returns no row when there is nothing to do', async () => {
    expect(await claimCanonical([newType()], 30, newWorker())).toEqual([]);
  });

  it('has a lock time-out of 30 minutes by default', async () => {
    const type = newType();
    await queueJob({ type });
    await worker`select ops.claim_pending_job(p_job_types => ${[type]}, p_worker_id => ${newWorker()})`;
    expect(await claim(type)).toEqual([]);
  });

  it.for([
    ['no worker', ['test'], 30, null],
    ['an empty worker', ['test'], 30, ''],
    ['a worker of 201 characters', ['test'], 30, 'x'.repeat(201)],
    ['no types', null, 30, 'w'],
    ['an empty list of types', [], 30, 'w'],
    ['no lock time-out', ['test'], null, 'w'],
    ['a negative lock time-out', ['test'], -1, 'w'],
    ['a lock time-out above a day', ['test'], 1441, 'w'],
  ] as const)('[Q-2] refuses %s with 22023', async ([, types, minutes, workerId]) => {
    await expect(claimCanonical(types, minutes, workerId)).rejects.toMatchObject({ code: '22023' });
  });

  it('[Q-2] refuses a claim without a worker although the signature has a default', async () => {
    const work = worker`select ops.claim_pending_job(array['test'])`;
    await expect(work).rejects.toMatchObject({ code: '22023' });
  });
});

describe('what is claimed first', () => {
  it('[Q-5] the highest priority, then the earliest run_at, then the earliest queued', async () => {
    const type = newType();
    const { soon, later } = only(
      await api()<{ soon: string; later: string }>`
        select (now() + interval '200 ms')::text as soon, (now() + interval '300 ms')::text as later`,
    );
    await queueJobs([
      { type, payload: 'least', priority: -100 },
      { type, payload: 'second of equals', run_at: later },
      { type, payload: 'third of equals', run_at: later },
      { type, payload: 'first of equals', run_at: soon },
      { type, payload: 'most', priority: 100, run_at: later },
    ]);
    const due = async () => await api()`select from ops.queues where type = ${type} and depth = 5`;
    await expect.poll(due, { interval: 20 }).toHaveLength(1);
    const claims = await claim(type, { limit: 10 });
    const order = 'most, first of equals, second of equals, third of equals, least';
    expect(claims.map(({ payload }) => payload).join(', ')).toBe(order);
  });

  it('[Q-5] the most urgent over all types of the claim', async () => {
    const [slow, urgent] = [newType(), newType()];
    await queueJobs([{ type: slow }, { type: urgent, priority: 1 }]);
    expect(await claim([slow, urgent])).toMatchObject([{ job_type: urgent }]);
  });

  it('[Q-5] of one job at a time: what is due and what was never claimed by turns', async () => {
    const type = newType();
    await queueJobs([
      ...Array.from({ length: 4 }, () => ({ type, run_at: '2099-01-01Z', payload: 'due' })),
      { type, payload: 'new' },
    ]);
    await owner`update ops.scheduled set run_at = now() where lane_id = ops.lane_of(${type}, 0, null)`;
    const claims = [await claim(type), await claim(type)].flat();
    expect(claims.map(({ payload }) => payload)).toEqual(['due', 'new']);
  });

  it('[Q-5] none of several types waits until the others have no jobs left', async () => {
    const types = [newType(), newType()];
    for (const type of types) await queueJobs(Array.from({ length: 40 }, () => ({ type })));
    const claims: Claim[] = [];
    for (let n = 0; n < 40; n += 1) claims.push(...(await claim(types)));
    expect(new Set(claims.map(({ job_type }) => job_type))).toEqual(new Set(types));
  });

  it('[Q-5] no job before its run_at', async () => {
    const type = newType();
    await queueJob({ type, priority: 100, run_at: new Date(Date.now() + 300).toISOString() });
    expect(await claim(type)).toEqual([]);
    await expect.poll(async () => await claim(type), { timeout: 5000 }).toHaveLength(1);
  });
});

describe('[DATA-6] ops.claim_jobs', () => {
  it('claims at most the limit, each time with another token', async () => {
    const type = newType();
    await queueJobs(Array.from({ length: 5 }, () => ({ type })));
    const claims = await claim(type, { limit: 4 });
    expect(claims).toHaveLength(4);
    const rest = only(await claim(type, { limit: 4 }));
    expect(claims.map(({ lease_token }) => lease_token)).not.toContain(rest.lease_token);
  });

  it.for([null, 0, -1, 1001])('refuses the limit %j with 22023', async (limit) => {
    const work = worker`select ops.claim_jobs(array['test'], ${limit}, 30, 'w')`;
    await expect(work).rejects.toMatchObject({ code: '22023' });
  });

  it('[Q-3] gives disjoint jobs to workers that claim at the same time, and leaves none', async () => {
    const type = newType();
    const jobs = await queueJobs(Array.from({ length: 200 }, () => ({ type })));
    const drain = async (): Promise<string[]> => {
      const claims = await claim(type, { limit: 7 });
      return claims.length === 0 ? [] : [...claims.map(({ job_id }) => job_id), ...(await drain())];
    };
    const taken = (await Promise.all(Array.from({ length: 6 }, drain))).flat();
    expect(taken.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
  });

  it('[Q-3] gives each job of a batch once, however many take the next one of it at the same time', async () => {
    const type = newType();
    const jobs = await queueJobs(Array.from({ length: 1000 }, () => ({ type })));
    const taken: string[] = [];
    const take = async (limit: number): Promise<void> => {
      while (taken.length < jobs.length) {
        const claims = await claim(type, { limit });
        taken.push(...claims.map(({ job_id }) => job_id));
      }
    };
    await Promise.all([1, 1, 3, 3, 7, 60, 60, 110].map(take));
    expect(taken.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
  });

  it.for([100, 7])(
    '[Q-5] finds at once what another claim left of a batch that a claim of %i passed by',
    async (limit) => {
      const type = newType();
      const jobs = await queueJobs(Array.from({ length: 150 }, () => ({ type })));
      const session = await queue.session('worker');
      await session.sql`begin`;
      const first = await claim(type, { limit: 7 }, session.sql);
      const others = await claim(type, { limit });
      await session.sql`commit`;
      const rest = await claim(type, { limit: 200 });
      expect([first, others, rest].map(({ length }) => length)).toEqual([7, limit, 143 - limit]);
      expect(new Set([...first, ...others, ...rest].map(({ job_id }) => job_id)).size).toBe(jobs.length);
    },
  );

  it('takes nothing when its transaction is rolled back, not even an attempt', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const session = await queue.session('worker');
    await session.sql`begin`;
    expect(await claim(type, {}, session.sql)).toHaveLength(1);
    await session.sql`rollback`;
    expect(await job(id)).toMatchObject({ status: 'pending', attempts: 0 });
    expect(await claim(type)).toMatchObject([{ attempts: 1 }]);
  });

  it.for(['repeatable read', 'serializable'])(
    '[Q-6] refuses a %s transaction, whose old snapshot shows live workers as silent',
    async (level) => {
      const session = await queue.session('worker');
      await session.run(`begin isolation level ${level}`);
      await expect(claim(newType(), {}, session.sql)).rejects.toMatchObject({ code: '25000' });
      await session.sql`rollback`;
    },
  );
});

const pause = async (type: string, organization_id: string = ORGANIZATION) =>
  await api({ organization_id })`select ops.pause_queue(${type})`;
const resume = async (type: string, organization_id: string = ORGANIZATION) =>
  await api({ organization_id })`select ops.resume_queue(${type})`;

describe('[Q-5] a paused queue', () => {
  it('gives no job of the organisation until it is resumed, and jobs of others meanwhile', async () => {
    const type = newType();
    const other = randomUUID();
    const mine = await queueJob({ type, priority: 1 });
    const theirs = await queueJob({ type }, { organization_id: other });
    await pause(type);
    await pause(type);
    expect(await api()`select type from ops.queue_pauses where type = ${type}`).toHaveLength(1);
    expect(
      await api({ organization_id: other })`select type from ops.queue_pauses where type = ${type}`,
    ).toEqual([]);
    expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: theirs }]);
    await resume(type, other);
    expect(await claim(type), 'resumed by somebody else').toEqual([]);
    await resume(type);
    expect(await claim(type)).toMatchObject([{ job_id: mine }]);
  });

  it('[Q-8] leaves nothing of what it holds back in the way of others', async () => {
    const type = newType();
    for (let n = 0; n < 10; n += 1)
      await Promise.all(Array.from({ length: 50 }, async () => await queueJob({ type })));
    await queueJob({ type }, { organization_id: randomUUID() });
    await pause(type);
    expect(await claim(type)).toHaveLength(1);
    const inTheWay = async () => {
      await claim(type);
      return only(
        await owner`select count(*)::integer as jobs from ops.ready r join ops.lane l on l.id = r.lane_id
                     where l.type = ${type} and l.organization_id is null`,
      );
    };
    await expect.poll(inTheWay, { timeout: 5000 }).toEqual({ jobs: 0 });
    await resume(type);
    expect(await claim(type, { limit: 1000 })).toHaveLength(500);
  });

  it('holds for every organisation when it was paused without one', async () => {
    const type = newType();
    await queueJob({ type });
    await pause(type, '');
    expect(await claim(type)).toEqual([]);
    expect(await api()`select type from ops.queue_pauses where type = ${type}`).toHaveLength(1);
    await resume(type);
    expect(await claim(type), 'resumed by one organisation').toEqual([]);
    await resume(type, '');
    expect(await claim(type)).toHaveLength(1);
  });

  it('lets a job that is processing end', async () => {
    const type = newType();
    await queueJob({ type });
    const claimed = only(await claim(type));
    await pause(type);
    expect(await report(claimed, { status: 'completed' })).toBe(true);
  });

  it.for([null, '', 'x'.repeat(101)])('refuses the type %j with 22023', async (type) => {
    await expect(api()`select ops.pause_queue(${type})`).rejects.toMatchObject({ code: '22023' });
  });
});

it('counts what waits, what is scheduled and what is processing, by organisation and in all', async () => {
  const type = newType();
  await queueJobs([{ type }, { type }, { type, run_at: '2099-01-01Z' }]);
  await queueJob({ type }, { organization_id: randomUUID() });
  await claim(type);
  const dead = newType();
  await queueJob({ type: dead });
  await report(only(await claim(dead)), { status: 'failed' });
  expect(await api()`select depth, scheduled, processing from ops.queues where type = ${type}`).toEqual([
    { depth: 1, scheduled: 1, processing: 1 },
  ]);
  const stats =
    await worker`select * from ops.queue_stats() where type = any (${[type, dead]}) order by depth desc`;
  expect(stats).toMatchObject([
    { type, depth: 2, scheduled: 1, processing: 1, failed: 0 },
    { type: dead, depth: 0, scheduled: 0, processing: 0, failed: 1, oldest_age_seconds: 0 },
  ]);
  expect(stats[0]?.['oldest_age_seconds']).toBeGreaterThan(0);
});
