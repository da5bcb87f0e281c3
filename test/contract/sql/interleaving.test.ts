import { describe, expect, it } from 'vitest';
import {
  type Claim,
  EXPIRED,
  type JobRow,
  type NewJob,
  ORGANIZATION,
  connectQueue,
  newType,
  only,
  untilDead,
} from './queue.ts';
import { type Session } from './roles.ts';

/*
 * Two connections at a time, in both orders. The first has an open transaction while the second tries to act: it either
 * waits for the first, as the server itself says, or passes by.
 */
const queue = await connectQueue();
const { admin, owner, api, queueJob, queueJobs, job, claim, claimed, claimedByBeating, report } = queue;

async function connect(role: 'api' | 'worker'): Promise<Session> {
  const session = await queue.session(role);
  await session.sql`select set_config('ops.organization_id', ${ORGANIZATION}, false)`;
  return session;
}

async function begin(role: 'api' | 'worker'): Promise<Session> {
  const session = await connect(role);
  await session.sql`begin`;
  return session;
}

/** Returns once the server says that the first connection waits for the second. */
const waits = async ({ pid }: Session, { pid: blocker }: Session): Promise<void> =>
  await expect
    .poll(async () => await admin`select pg_blocking_pids(${pid}) as pids`, { interval: 5, timeout: 5000 })
    .toEqual([{ pids: [blocker] }]);

const COMPLETED = { status: 'completed' };
const cancel = async ({ sql }: Session, id: string) => await sql`select * from ops.cancel_job(${id})`;
const reap = async ({ sql }: Session, id: string) =>
  await sql`select action_taken from ops.reap_stuck_jobs() where job_id = ${id}`;
const completeWithoutToken = async ({ sql }: Session, id: string) =>
  await sql`select ops.update_job_status(${id}, 'completed') as done`;
const retry = async ({ sql }: Session, id: string) => await sql<JobRow>`select * from ops.retry_job(${id})`;
const redrive = async ({ sql }: Session, type: string) =>
  only(await sql<{ jobs: number }>`select ops.redrive_jobs(${type}, 10) as jobs`).jobs;
const queueIn = async ({ sql }: Session, jobs: readonly object[]) =>
  await sql`select * from ops.queue_jobs(${JSON.stringify(jobs)})`;
const purge = async ({ sql }: Session, type: string) =>
  only(await sql<{ jobs: number }>`select ops.purge_jobs(${type}, 10) as jobs`).jobs;
/** Until nothing is left to do. */
const maintain = async ({ sql }: Session): Promise<string[]> => {
  const steps: string[] = [];
  for (;;) {
    const { step } = only(await sql<{ step: string | null }>`select ops.maintain() as step`);
    if (step === null) return steps;
    steps.push(step);
  }
};

/** What is counted of a type. */
const figures = async (type: string) =>
  await api()`select depth, scheduled, processing, failed from ops.queues where type = ${type}`;
const NOTHING = { depth: 0, scheduled: 0, processing: 0, failed: 0 };

const isThere = async (id: string): Promise<boolean> =>
  (await api()`select from ops.jobs where id = ${id}`).length === 1;

async function dead(options: Partial<NewJob> = {}): Promise<Claim> {
  const mine = await claimed(options);
  await report(mine, { status: 'failed' });
  return mine;
}

/** Two jobs of one batch, whose organisation's queue is paused. */
async function paused(): Promise<{ type: string; id: string; other: string }> {
  const type = newType();
  const [one, other] = await queueJobs([{ type }, { type }]);
  await api()`select ops.pause_queue(${type})`;
  return { type, id: one?.id ?? '', other: other?.id ?? '' };
}
const resume = async (type: string) => await api()`select ops.resume_queue(${type})`;

/** A cancelled job whose day is over, so that nothing keeps it. */
async function oldCancelled(): Promise<{ id: string; type: string }> {
  const type = newType();
  const id = await queueJob({ type });
  await cancel(await connect('api'), id);
  const { old, day } = only(
    await owner<{ old: string; day: string }>`
      select overlay(${id} placing left(ops.uuid_at(at)::text, 13) from 1 for 13) as old, (at at time zone 'UTC')::date::text as day
        from (select now() - interval '10 days' as at) then_`,
  );
  await owner`select ops.make_day(${day}::date)`;
  await owner`update ops.job set id = ${old} where id = ${id}`;
  await owner`update ops.outcome set job_id = ${old}, at = at - interval '10 days' where job_id = ${id}`;
  return { id: old, type };
}

const enqueue = async ({ sql }: Session, type: string, keys: readonly string[]) => {
  const jobs = keys.map((unique_key) => ({ type, unique_key }));
  return await queueJobs(jobs, {}, sql);
};

describe('[Q-3] complete and reap', () => {
  it('the reaper passes by a job whose outcome is being written', async () => {
    const lost = await claimed({}, EXPIRED);
    const [completer, reaper] = [await begin('worker'), await connect('worker')];
    expect(await report(lost, COMPLETED, completer.sql)).toBe(true);
    expect(await reap(reaper, lost.job_id)).toEqual([]);
    await completer.sql`commit`;
    expect(await reap(reaper, lost.job_id)).toEqual([]);
    expect(await job(lost.job_id)).toMatchObject({ status: 'completed' });
  });

  it('an outcome waits for the reaper and is then refused', async () => {
    const lost = await claimed({}, EXPIRED);
    const [reaper, completer] = [await begin('worker'), await connect('worker')];
    expect(await reap(reaper, lost.job_id)).toEqual([{ action_taken: 'requeued' }]);
    const took = report(lost, COMPLETED, completer.sql);
    await waits(completer, reaper);
    await reaper.sql`commit`;
    expect(await took).toBe(false);
    expect(await job(lost.job_id)).toMatchObject({ status: 'pending', attempts: 1 });
  });

  it('an outcome waits for the reaper and takes effect if that rolls back', async () => {
    const lost = await claimed({}, EXPIRED);
    const [reaper, completer] = [await begin('worker'), await connect('worker')];
    await reap(reaper, lost.job_id);
    const took = report(lost, COMPLETED, completer.sql);
    await waits(completer, reaper);
    await reaper.sql`rollback`;
    expect(await took).toBe(true);
    expect(await job(lost.job_id)).toMatchObject({ status: 'completed' });
  });

  it('one of two claims takes a job from the dead', async () => {
    const lost = await claimed({}, EXPIRED);
    const [first, second] = [await begin('worker'), await connect('worker')];
    const next = only(await claim(lost.job_type, {}, first.sql));
    expect(await claim(lost.job_type, {}, second.sql)).toEqual([]);
    await first.sql`commit`;
    expect(await claim(lost.job_type, {}, second.sql)).toEqual([]);
    expect(next.attempts).toBe(2);
    expect(await report(lost, COMPLETED)).toBe(false);
    expect(await report(next, COMPLETED)).toBe(true);
  });
});

describe('[Q-4] two outcomes without a token', () => {
  it('the second waits for the first and is then refused', async () => {
    const mine = await claimed();
    const [first, second] = [await begin('worker'), await connect('worker')];
    expect(await completeWithoutToken(first, mine.job_id)).toEqual([{ done: true }]);
    const done = completeWithoutToken(second, mine.job_id);
    await waits(second, first);
    await first.sql`commit`;
    expect(await done).toEqual([{ done: false }]);
  });

  it('the second is refused if the lease is over by the time that the first has rolled back', async () => {
    const mine = await claimedByBeating();
    const [first, second] = [await begin('worker'), await connect('worker')];
    await completeWithoutToken(first, mine.job_id);
    const done = completeWithoutToken(second, mine.job_id);
    await waits(second, first);
    await untilDead();
    await first.sql`rollback`;
    expect(await done).toEqual([{ done: false }]);
    expect(await job(mine.job_id)).toMatchObject({ status: 'processing' });
  });
});

describe('[Q-4] cancel and complete', () => {
  it('an outcome waits for a cancellation and is then refused', async () => {
    const running = await claimed();
    const [client, completer] = [await begin('api'), await connect('worker')];
    expect(await cancel(client, running.job_id)).toMatchObject([{ status: 'cancelled' }]);
    const took = report(running, COMPLETED, completer.sql);
    await waits(completer, client);
    await client.sql`commit`;
    expect(await took).toBe(false);
    expect(await job(running.job_id)).toMatchObject({ status: 'cancelled' });
  });

  it.for([
    { outcome: COMPLETED, left: 'completed' },
    { outcome: { status: 'pending', backoff_seconds: 0 }, left: 'cancelled' },
  ])(
    'a cancellation waits for the outcome $outcome.status and leaves the job $left',
    async ({ outcome, left }) => {
      const running = await claimed();
      const [completer, client] = [await begin('worker'), await connect('api')];
      await report(running, outcome, completer.sql);
      const cancelled = cancel(client, running.job_id);
      await waits(client, completer);
      await completer.sql`commit`;
      expect(await cancelled).toMatchObject([{ status: left }]);
      expect(await job(running.job_id)).toMatchObject({ status: left });
    },
  );
});

describe('[Q-4] cancel and claim', () => {
  it('a claim passes by a job that is being cancelled', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const [client, worker] = [await begin('api'), await connect('worker')];
    await cancel(client, id);
    expect(await claim(type, {}, worker.sql)).toEqual([]);
    await client.sql`commit`;
    expect(await claim(type, {}, worker.sql)).toEqual([]);
    expect(await job(id)).toMatchObject({ status: 'cancelled', attempts: 0 });
  });

  it('a cancellation waits for a claim, and its worker cannot change the job any more', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const [worker, client] = [await begin('worker'), await connect('api')];
    const mine = only(await claim(type, {}, worker.sql));
    const cancelled = cancel(client, id);
    await waits(client, worker);
    await worker.sql`commit`;
    expect(await cancelled).toMatchObject([{ status: 'cancelled', attempts: 1 }]);
    expect(await report(mine, COMPLETED)).toBe(false);
  });
});

it('[Q-5] a redrive takes its unique keys in the order in which a batch does, so that neither waits for the other', async () => {
  const type = newType();
  for (const unique_key of ['b', 'a']) await dead({ type, unique_key });
  const [holder, redriver, batcher] = [await begin('api'), await connect('api'), await connect('api')];
  const keyed = (unique_key: string) => ({ type, unique_key, payload: {} });
  await queueIn(holder, [keyed('b')]);
  const redriven = redrive(redriver, type);
  await waits(redriver, holder);
  const batch = queueIn(batcher, [keyed('a'), keyed('b')]);
  await waits(batcher, redriver);
  await holder.sql`rollback`;
  expect(await redriven).toBe(2);
  await batch;
});

it('[Q-5] ops.redrive makes a job due by when it got it, not by when it began to wait', async () => {
  const { job_id: id } = await dead();
  const [holder, retrier] = [await queue.session('owner'), await connect('api')];
  await holder.sql`begin`;
  await holder.sql`select from ops.job where id = ${id} for update`;
  const retried = retry(retrier, id);
  await waits(retrier, holder);
  const { now } = only(await admin<{ now: Date }>`select clock_timestamp() as now`);
  await holder.sql`rollback`;
  await retried;
  const due = await owner`select run_at >= ${now} as later from ops.scheduled where job_id = ${id}`;
  expect(due).toEqual([{ later: true }]);
});

describe('[Q-5] redrive and purge', () => {
  it('a purge passes by what is being redriven, and finds it no longer', async () => {
    const { job_id: id, job_type: type } = await dead();
    const [redriver, purger] = [await begin('api'), await connect('api')];
    expect(await redrive(redriver, type)).toBe(1);
    expect(await purge(purger, type)).toBe(0);
    await redriver.sql`commit`;
    expect(await purge(purger, type)).toBe(0);
    expect(await figures(type)).toEqual([{ ...NOTHING, depth: 1 }]);
    expect(await claim(type)).toMatchObject([{ job_id: id, attempts: 1 }]);
  });

  it.for([
    { end: 'commit', left: [] },
    { end: 'rollback', left: [{ ...NOTHING, failed: 1 }] },
  ])('redriving in bulk passes by what is being purged, also at its $end', async ({ end, left }) => {
    const { job_type: type } = await dead();
    const [purger, redriver] = [await begin('api'), await connect('api')];
    expect(await purge(purger, type)).toBe(1);
    expect(await redrive(redriver, type)).toBe(0);
    await purger.run(end);
    expect(await figures(type)).toEqual(left);
    expect(await redrive(redriver, type)).toBe(left.length);
  });

  it.for([
    { end: 'commit', found: [] },
    { end: 'rollback', found: [{ status: 'pending', attempts: 0 }] },
  ])('a retry waits for the $end of a purge, and finds $found.length job', async ({ end, found }) => {
    const { job_id: id, job_type: type } = await dead();
    const [purger, redriver] = [await begin('api'), await connect('api')];
    expect(await purge(purger, type)).toBe(1);
    const retried = retry(redriver, id);
    await waits(redriver, purger);
    await purger.run(end);
    expect(await retried).toMatchObject(found);
    expect(await figures(type)).toEqual(found.map(() => ({ ...NOTHING, depth: 1 })));
  });
});

describe('[Q-5] cancel and the move of what waits for a paused organisation', () => {
  it.for(['commit', 'rollback'])(
    'a cancellation waits for the $0 of the move, and finds the job',
    async (end) => {
      const { type, id, other } = await paused();
      const [worker, client] = [await begin('worker'), await connect('api')];
      expect(await claim(type, {}, worker.sql)).toEqual([]);
      const cancelled = cancel(client, id);
      await waits(client, worker);
      await worker.run(end);
      expect(await cancelled).toMatchObject([{ status: 'cancelled', attempts: 0 }]);
      expect(await figures(type)).toEqual([{ ...NOTHING, depth: 1 }]);
      await resume(type);
      expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: other, attempts: 1 }]);
    },
  );

  it('the move passes by a batch of which a job is being cancelled, and takes the rest later', async () => {
    const { type, id, other } = await paused();
    const [client, worker] = [await begin('api'), await connect('worker')];
    await cancel(client, id);
    expect(await claim(type, {}, worker.sql)).toEqual([]);
    await client.sql`commit`;
    expect(await claim(type, {}, worker.sql)).toEqual([]);
    expect(await figures(type)).toEqual([{ ...NOTHING, depth: 1 }]);
    await resume(type);
    expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: other, attempts: 1 }]);
  });
});

describe('[DATA-7] redrive and the end of retention', () => {
  it('the day of a job that is being redriven stays, and the job is kept when it goes', async () => {
    const { id, type } = await oldCancelled();
    const [client, keeper] = [await begin('api'), await connect('worker')];
    expect(await retry(client, id)).toMatchObject([{ status: 'pending' }]);
    expect(await maintain(keeper)).toEqual([]);
    await client.sql`commit`;
    expect(await maintain(keeper)).not.toEqual([]);
    expect(await claim(type)).toMatchObject([{ job_id: id, attempts: 1 }]);
  });

  it.for([
    { end: 'commit', found: [] },
    { end: 'rollback', found: [{ status: 'pending' }] },
  ])('a redrive waits for the $end of a day, and finds $found.length job', async ({ end, found }) => {
    const { id, type } = await oldCancelled();
    const [keeper, client] = [await begin('worker'), await connect('api')];
    expect(await maintain(keeper)).not.toEqual([]);
    const retried = retry(client, id);
    await waits(client, keeper);
    await keeper.run(end);
    expect(await retried).toMatchObject(found);
    expect(await isThere(id)).toBe(found.length === 1);
    expect(await claim(type)).toHaveLength(found.length);
    await maintain(keeper);
  });
});

describe('one unique key', () => {
  it.for([
    { end: 'commit', created: false },
    { end: 'rollback', created: true },
  ])('the second waits for the $end of the first: created is then $created', async ({ end, created }) => {
    const type = newType();
    const [first, second] = [await begin('api'), await connect('api')];
    const one = only(await enqueue(first, type, ['k']));
    const queued = enqueue(second, type, ['k']);
    await waits(second, first);
    await first.run(end);
    const two = only(await queued);
    expect(two.created).toBe(created);
    expect(two.id === one.id).toBe(!created);
    expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: two.id }]);
  });

  it('the second waits for the outcome of the job with the key, and is queued after it', async () => {
    const running = await claimed({ unique_key: 'k' });
    const [completer, client] = [await begin('worker'), await connect('api')];
    await report(running, COMPLETED, completer.sql);
    const queued = enqueue(client, running.job_type, ['k']);
    await waits(client, completer);
    await completer.sql`commit`;
    expect(await queued).toMatchObject([{ created: true }]);
  });

  it('two batches with the same keys in opposite order do not deadlock', async () => {
    const type = newType();
    const [gate, first, second] = [await begin('api'), await connect('api'), await connect('api')];
    await enqueue(gate, type, ['m']);
    // In the order given, each would hold one key before the gate and then want the other's.
    const batches = [enqueue(first, type, ['a', 'm', 'z']), enqueue(second, type, ['z', 'm', 'a'])];
    const waiting = async () =>
      await admin`
      select from unnest(${[first.pid, second.pid]}::integer[]) pid where cardinality(pg_blocking_pids(pid)) > 0`;
    await expect.poll(waiting, { interval: 5, timeout: 5000 }).toHaveLength(2);
    await gate.sql`rollback`;
    const [one, two] = await Promise.all(batches);
    expect(one?.map(({ id }) => id)).toEqual(two?.map(({ id }) => id).toReversed());
    expect([...(one ?? []), ...(two ?? [])].filter(({ created }) => created)).toHaveLength(3);
  });
});
