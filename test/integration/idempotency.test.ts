import { randomUUID } from 'node:crypto';
import { connectRoles } from '#test/contract/sql/roles.ts';
import { testDatabase } from '#test/support/database.ts';
import { jobIn, webhookTo } from '#test/support/jobs.ts';
import { testClient, testService } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { expect, it } from 'vitest';

const database = await testDatabase();
const { admin, session } = await connectRoles(database);
// With one connection a transaction that keeps it is met by the next request.
const { apiUrl } = await testService(database, ['api'], {
  DRAGONFLY_DATABASE_POOL_MAX: '1',
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: '2s',
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: '1s',
});
const client = await testClient(database, apiUrl);

const job = (): object => webhookTo('https://example.com/hook', { run_at: '2099-01-01T00:00:00Z' });
const post = async (key: string, body: unknown = job(), path = '/v1/jobs'): Promise<Response> =>
  await client.request('POST', path, body, { 'idempotency-key': key });
const codeOf = async (response: Response): Promise<unknown> => [
  response.status,
  ((await response.json()) as { code: string }).code,
];

async function queuedJobs(): Promise<number> {
  const [row] = await admin<{ jobs: number }>`select count(*)::integer as jobs from ops.job`;
  return row?.jobs ?? 0;
}

/** The connection came back, the key is free, and nothing of the request before is there. */
async function isAsIfNeverAsked(key: string, jobsBefore: number): Promise<void> {
  expect((await client.request('GET', '/v1/jobs')).status).toBe(200);
  const answer = await until(async () => {
    const again = await post(key);
    expect(again.status).toBe(201);
    return again;
  });
  expect(answer.headers.get('idempotency-replayed')).toBeNull();
  expect(await queuedJobs()).toBe(jobsBefore + 1);
}

/** Locks out whoever queues a job. @returns what lets them go on */
async function blockQueueing(): Promise<() => Promise<void>> {
  const holder = await session('admin');
  await holder.run('begin; lock table ops.job in share mode');
  return async () => {
    await holder.run('rollback');
  };
}
const untilBlocked = async (): Promise<void> => {
  await until(async () => {
    expect(
      await admin`select from pg_locks where not granted and relation = 'ops.job'::regclass`,
    ).toHaveLength(1);
  });
};

it.for([
  ['by the schema', '/v1/jobs', {}, 422],
  ['by the use case', '/v1/jobs', { type: 'cake.bake', payload: {} }, 422],
  ['because there is nothing', `/v1/jobs/${randomUUID()}/cancel`, null, 404],
] as const)('[API-5] [ARC-10] a refusal %s gives the connection back', async ([, path, body, status]) => {
  for (const key of [randomUUID(), randomUUID()]) {
    expect((await post(key, body, path)).status).toBe(status);
    expect((await post(key, body, path)).status).toBe(status);
  }
  expect((await post(randomUUID())).status).toBe(201);
});

it('[API-5] [ARC-10] a replay, another payload and a key in use give the connection back', async () => {
  const key = randomUUID();
  const first = await jobIn(await post(key));
  for (const _ of [1, 2]) {
    expect(await jobIn(await post(key))).toEqual(first);
    expect(await codeOf(await post(key, webhookTo('https://example.com')))).toEqual([
      422,
      'idempotency_key_reused',
    ]);
  }
});

it('[API-5] what takes too long is rolled back and not kept', async () => {
  const key = randomUUID();
  const before = await queuedJobs();
  const unblock = await blockQueueing();
  expect(await codeOf(await post(key))).toEqual([503, 'database_unavailable']);
  await unblock();
  await isAsIfNeverAsked(key, before);
});

it('[API-5] whose client goes away in the middle is rolled back', async () => {
  const key = randomUUID();
  const before = await queuedJobs();
  const unblock = await blockQueueing();
  const leaving = new AbortController();
  const left = fetch(new URL('/v1/jobs', apiUrl), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${client.key}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify(job()),
    signal: leaving.signal,
  });
  await untilBlocked();
  leaving.abort();
  await expect(left).rejects.toThrow('aborted');
  await unblock();
  await isAsIfNeverAsked(key, before);
});

/** While it is there, this event ends the connection that it happens on. @returns what takes it away */
async function ending(
  trigger: 'trigger' | 'constraint trigger',
  event: string,
): Promise<() => Promise<void>> {
  const { run } = await session('admin');
  await run(`
    create or replace function ops.end_connection() returns trigger language plpgsql security definer as $$
    begin
      perform pg_terminate_backend(pg_backend_pid());
      return new;
    end $$`);
  await run(`create ${trigger} ends ${event} for each row execute function ops.end_connection()`);
  return async () => {
    await run('drop function ops.end_connection() cascade');
  };
}

it.for([
  ['its effect', 'before insert on ops.job'],
  ['its answer', 'before insert on ops.idempotency_key'],
] as const)(
  '[API-5] [Q-3] a connection that is lost with %s is a 503, and is replaced',
  async ([, event]) => {
    const key = randomUUID();
    const before = await queuedJobs();
    const mend = await ending('trigger', event);
    expect(await codeOf(await post(key))).toEqual([503, 'database_unavailable']);
    await mend();
    await isAsIfNeverAsked(key, before);
  },
);

it('[API-5] [Q-3] a commit that fails is a 503 without what the answer would have said', async () => {
  const key = randomUUID();
  const before = await queuedJobs();
  const mend = await ending(
    'constraint trigger',
    'after insert on ops.idempotency_key deferrable initially deferred',
  );
  const answer = await post(key);
  expect(answer.headers.get('location')).toBeNull();
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(answer.headers.get('retry-after')).toBe('2');
  expect(await codeOf(answer)).toEqual([503, 'database_unavailable']);
  await mend();
  await isAsIfNeverAsked(key, before);
});

it('[API-5] a refusal that cannot be stored is a 503, too', async () => {
  const key = randomUUID();
  const path = `/v1/jobs/${randomUUID()}/cancel`;
  const mend = await ending('trigger', 'before insert on ops.idempotency_key');
  expect(await codeOf(await post(key, null, path))).toEqual([503, 'database_unavailable']);
  await mend();
  expect(await codeOf(await post(key, null, path))).toEqual([404, 'job_not_found']);
});
