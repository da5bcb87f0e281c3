import { describe, expect, it } from 'vitest';
import { EXPIRED, ORGANIZATION, connectQueue, newType, only, untilDead } from './queue.ts';
import { type Session } from './roles.ts';

/*
 * Two connections at a time, in both orders. The first has an open transaction while the second tries to act: it either
 * waits for the first, as the server itself says, or passes by.
 */
const queue = await connectQueue();
const { admin, queueJob, queueJobs, job, claim, claimed, claimedByBeating, report } = queue;

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

  it('a repeatable read transaction that cannot see the job with the key is told to try again', async () => {
    const type = newType();
    const session = await connect('api');
    await session.sql`begin isolation level repeatable read`;
    await session.sql`select ops.current_organization()`;
    await queueJob({ type, unique_key: 'k' });
    await expect(enqueue(session, type, ['k'])).rejects.toMatchObject({ code: '40001' });
    await session.sql`rollback`;
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
