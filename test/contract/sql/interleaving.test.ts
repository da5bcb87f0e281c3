import { describe, expect, it } from 'vitest';
import { ORGANIZATION, begin, connectQueue, only } from './queue.ts';
import { type Session, newType } from './roles.ts';

/*
 * Two transactions at a time, in both orders. The first stays open while the second tries to act: it either waits for
 * the first, as the server itself says, or passes by.
 */
const queue = await connectQueue();
const { admin, queueJob, queueJobs, job, claim, report } = queue;

async function open(role: 'api' | 'worker'): Promise<Session> {
  const session = await queue.session(role);
  await begin(session);
  return session;
}

/** Runs `work` on the second session until it waits for the first, then ends the first and returns what came of it. */
async function behind<T>(
  first: Session,
  end: 'commit' | 'rollback',
  second: Session,
  work: () => Promise<T>,
) {
  const pending = work();
  await expect
    .poll(async () => await admin`select pg_blocking_pids(${second.pid}) as pids`, {
      interval: 5,
      timeout: 5000,
    })
    .toEqual([{ pids: [first.pid] }]);
  await first.run(end);
  const result = await pending;
  await second.sql`commit`;
  return result;
}

const cancel = async ({ sql }: Session, id: string) =>
  await sql<{ status: string }>`select * from ops.cancel_job(${id})`;
const reap = async ({ sql }: Session, id: string) =>
  await sql`select action_taken from ops.reap_stuck_jobs() where job_id = ${id}`;
const enqueue = async ({ sql }: Session, type: string, ...keys: string[]) =>
  await queueJobs(
    keys.map((unique_key) => ({ type, unique_key })),
    {},
    sql,
  );

async function claimed(minutes = 30) {
  const type = newType();
  const id = await queueJob({ type, unique_key: 'k' });
  return { type, id, claim: only(await claim(type, { minutes })) };
}

describe('[Q-3] complete and reap', () => {
  it('the reaper passes by a job whose outcome is being written', async () => {
    const lost = await claimed(0);
    const [completer, reaper] = [await open('worker'), await open('worker')];
    expect(await report(lost.claim, { status: 'completed' }, completer.sql)).toBe(true);
    expect(await reap(reaper, lost.id)).toEqual([]);
    await completer.sql`commit`;
    expect(await reap(reaper, lost.id)).toEqual([]);
    await reaper.sql`commit`;
    expect(await job(lost.id)).toMatchObject({ status: 'completed' });
  });

  it('an outcome waits for the reaper and is then refused', async () => {
    const lost = await claimed(0);
    const [reaper, completer] = [await open('worker'), await open('worker')];
    expect(await reap(reaper, lost.id)).toEqual([{ action_taken: 'requeued' }]);
    const took = await behind(
      reaper,
      'commit',
      completer,
      async () => await report(lost.claim, { status: 'completed' }, completer.sql),
    );
    expect(took).toBe(false);
    expect(await job(lost.id)).toMatchObject({ status: 'pending', attempts: 1 });
  });

  it('an outcome that waits for a reaper takes effect if the reaper rolls back', async () => {
    const lost = await claimed(0);
    const [reaper, completer] = [await open('worker'), await open('worker')];
    await reap(reaper, lost.id);
    const took = await behind(
      reaper,
      'rollback',
      completer,
      async () => await report(lost.claim, { status: 'completed' }, completer.sql),
    );
    expect(took).toBe(true);
    expect(await job(lost.id)).toMatchObject({ status: 'completed' });
  });

  it('a job is taken from the dead by one of two claims', async () => {
    const lost = await claimed(0);
    const [first, second] = [await open('worker'), await open('worker')];
    const next = only(await claim(lost.type, {}, first.sql));
    expect(await claim(lost.type, {}, second.sql)).toEqual([]);
    await first.sql`commit`;
    expect(await claim(lost.type, {}, second.sql)).toEqual([]);
    await second.sql`commit`;
    expect(next.attempts).toBe(2);
    expect(await report(lost.claim, { status: 'completed' })).toBe(false);
    expect(await report(next, { status: 'completed' })).toBe(true);
  });

  it('an outcome without token waits for another transaction and is judged by what that left', async () => {
    const lost = await claimed();
    const [first, second] = [await open('worker'), await open('worker')];
    expect(await report(lost.claim, { status: 'pending', backoff_seconds: 0 }, first.sql)).toBe(true);
    const rows = await behind(
      first,
      'commit',
      second,
      async () => await second.sql`select ops.update_job_status(${lost.id}, 'completed') as done`,
    );
    expect(rows).toEqual([{ done: false }]);
    expect(await job(lost.id)).toMatchObject({ status: 'pending' });
  });
});

describe('[Q-4] cancel and complete', () => {
  it('an outcome waits for a cancellation and is then refused', async () => {
    const running = await claimed();
    const [client, completer] = [await open('api'), await open('worker')];
    expect(await cancel(client, running.id)).toMatchObject([{ status: 'cancelled' }]);
    const took = await behind(
      client,
      'commit',
      completer,
      async () => await report(running.claim, { status: 'completed' }, completer.sql),
    );
    expect(took).toBe(false);
    expect(await job(running.id)).toMatchObject({ status: 'cancelled' });
  });

  it('a cancellation waits for an outcome and then leaves it', async () => {
    const running = await claimed();
    const [completer, client] = [await open('worker'), await open('api')];
    await report(running.claim, { status: 'completed' }, completer.sql);
    const rows = await behind(completer, 'commit', client, async () => await cancel(client, running.id));
    expect(rows).toMatchObject([{ status: 'completed' }]);
    expect(await job(running.id)).toMatchObject({ status: 'completed' });
  });

  it('a cancellation waits for a retry and then cancels it', async () => {
    const running = await claimed();
    const [completer, client] = [await open('worker'), await open('api')];
    await report(running.claim, { status: 'pending', backoff_seconds: 0 }, completer.sql);
    const rows = await behind(completer, 'commit', client, async () => await cancel(client, running.id));
    expect(rows).toMatchObject([{ status: 'cancelled' }]);
    expect(await claim(running.type)).toEqual([]);
  });
});

describe('[Q-4] cancel and claim', () => {
  it('a claim passes by a job that is being cancelled', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const [client, worker] = [await open('api'), await open('worker')];
    await cancel(client, id);
    expect(await claim(type, {}, worker.sql)).toEqual([]);
    await client.sql`commit`;
    expect(await claim(type, {}, worker.sql)).toEqual([]);
    await worker.sql`commit`;
    expect(await job(id)).toMatchObject({ status: 'cancelled', attempts: 0 });
  });

  it('a cancellation waits for a claim, and its worker cannot change the job any more', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const [worker, client] = [await open('worker'), await open('api')];
    const mine = only(await claim(type, {}, worker.sql));
    const rows = await behind(worker, 'commit', client, async () => await cancel(client, id));
    expect(rows).toMatchObject([{ status: 'cancelled', attempts: 1 }]);
    expect(await report(mine, { status: 'completed' })).toBe(false);
  });
});

describe('one unique key', () => {
  it.for([
    ['commit', false],
    ['rollback', true],
  ] as const)('the second waits for the first; after its %s: created %j', async ([end, created]) => {
    const type = newType();
    const [first, second] = [await open('api'), await open('api')];
    const one = only(await enqueue(first, type, 'k'));
    const two = only(await behind(first, end, second, async () => await enqueue(second, type, 'k')));
    expect(two.created).toBe(created);
    expect(two.id === one.id).toBe(!created);
    expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: two.id }]);
  });

  it('the second waits for the outcome of the job with the key, and is queued after it', async () => {
    const running = await claimed();
    const [completer, client] = [await open('worker'), await open('api')];
    await report(running.claim, { status: 'completed' }, completer.sql);
    const queued = await behind(
      completer,
      'commit',
      client,
      async () => await enqueue(client, running.type, 'k'),
    );
    expect(queued).toMatchObject([{ created: true }]);
  });

  it('a repeatable read transaction that cannot see the job with the key is told to try again', async () => {
    const type = newType();
    const session = await queue.session('api');
    await session.sql`begin isolation level repeatable read`;
    await session.sql`select set_config('ops.organization_id', ${ORGANIZATION}, true)`;
    await queueJob({ type, unique_key: 'k' });
    await expect(enqueue(session, type, 'k')).rejects.toMatchObject({ code: '40001' });
    await session.sql`rollback`;
  });

  it('two batches with the same keys in opposite order do not deadlock', async () => {
    const type = newType();
    const [gate, first, second] = [await open('api'), await open('api'), await open('api')];
    await enqueue(gate, type, 'm');
    // In the order given, each would hold one key behind the gate and then want the other's.
    const batches = [
      { session: first, keys: ['a', 'm', 'z'] },
      { session: second, keys: ['z', 'm', 'a'] },
    ].map(async ({ session, keys }) => {
      const rows = await enqueue(session, type, ...keys);
      await session.sql`commit`;
      return rows;
    });
    await expect
      .poll(
        async () =>
          await admin`
        select from unnest(${[first.pid, second.pid]}::integer[]) pid where cardinality(pg_blocking_pids(pid)) > 0`,
      )
      .toHaveLength(2);
    await gate.sql`rollback`;
    const [one, two] = await Promise.all(batches);
    expect(one?.map(({ id }) => id)).toEqual(two?.map(({ id }) => id).toReversed());
    expect([...(one ?? []), ...(two ?? [])].filter(({ created }) => created)).toHaveLength(3);
  });
});
