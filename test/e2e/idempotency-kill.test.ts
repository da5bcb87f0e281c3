import { randomUUID } from 'node:crypto';
import { connectRoles } from '#test/contract/sql/roles.ts';
import { testDatabase } from '#test/support/database.ts';
import { webhookTo } from '#test/support/jobs.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { tcpProxy } from '#test/support/tcp-proxy.ts';
import { until } from '#test/support/until.ts';
import { afterAll, expect, it } from 'vitest';

const database = await testDatabase();
const { admin, session } = await connectRoles(database);
const proxy = await tcpProxy(database.urls.api);
afterAll(async () => await proxy.close());
const service = dragonfly(database);

const body = webhookTo('https://example.com/hook', { run_at: '2099-01-01T00:00:00Z' });

async function queuedJobs(): Promise<number> {
  const [row] = await admin<{ jobs: number }>`select count(*)::integer as jobs from ops.job`;
  return row?.jobs ?? 0;
}

/** A process that has sent a request with a key to its database, through the proxy. */
async function asked(key: string) {
  const victim = await service.serve('api', {
    DRAGONFLY_API_DATABASE_URL: proxy.url,
    DRAGONFLY_SHUTDOWN_TIMEOUT: '200ms',
  });
  const client = await testClient(database, victim.apiUrl);
  const answer = client.request('POST', '/v1/jobs', body, { 'idempotency-key': key }).then(
    ({ status }) => status,
    () => 'none',
  );
  return { victim, client, answer };
}

/** What the same client hears from another replica. */
async function askAgain(client: { key: string }, key: string): Promise<Response> {
  const { apiUrl } = await service.serve('api');
  return await until(async () => {
    const response = await fetch(new URL('/v1/jobs', apiUrl), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${client.key}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify(body),
    });
    // Until the server has noticed that the process is gone, its transaction holds the key.
    expect(response.status).toBe(201);
    return response;
  });
}

/** Lets nobody store an answer. @returns what lets them again */
async function blockAnswers(): Promise<() => Promise<void>> {
  const holder = await session('admin');
  await holder.run('begin; lock table ops.idempotency_key in share mode');
  return async () => {
    await holder.run('rollback');
  };
}
/** The effect is there, in its transaction; the answer waits to be stored. */
const untilBlocked = async (): Promise<void> => {
  await until(async () => {
    const waiting = await admin`
      select from pg_locks where not granted and relation = 'ops.idempotency_key'::regclass`;
    expect(waiting).toHaveLength(1);
  });
};

it('[API-5] [Q-3] killed before the commit: the retry does it, once', async () => {
  const key = randomUUID();
  const before = await queuedJobs();
  const unblock = await blockAnswers();
  const { victim, client, answer } = await asked(key);
  await untilBlocked();
  victim.child.kill('SIGKILL');
  await victim.ended;
  expect(await answer).toBe('none');
  await unblock();

  const again = await askAgain(client, key);
  expect(again.headers.get('idempotency-replayed')).toBeNull();
  expect(await queuedJobs()).toBe(before + 1);
});

it('[API-5] [AV-6] stopped before the handler is done: it is rolled back, and the process ends as it should', async () => {
  const key = randomUUID();
  const before = await queuedJobs();
  const holder = await session('admin');
  await holder.run('begin; lock table ops.job in share mode');
  const { victim, client, answer } = await asked(key);
  await until(async () => {
    expect(
      await admin`select from pg_locks where not granted and relation = 'ops.job'::regclass`,
    ).toHaveLength(1);
  });
  victim.child.kill('SIGTERM');
  expect(await answer).toBe('none');
  await holder.run('rollback');
  expect(await victim.ended).toMatchObject({ code: 0 });

  const again = await askAgain(client, key);
  expect(again.headers.get('idempotency-replayed')).toBeNull();
  expect(await queuedJobs()).toBe(before + 1);
});

it('[API-5] [Q-3] killed after the commit and before the answer: the retry hears the answer', async () => {
  const key = randomUUID();
  const before = await queuedJobs();
  const { run } = await session('owner');
  // COMMIT waits here, so that nothing of its success passes the proxy any more.
  await run(
    `create function ops.wait() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(42); return new; end $$`,
  );
  await run(
    'create constraint trigger waits after insert on ops.idempotency_key deferrable initially deferred for each row execute function ops.wait()',
  );
  const holder = await session('admin');
  await holder.run('begin; select pg_advisory_xact_lock(42)');
  const { victim, client, answer } = await asked(key);
  await until(async () => {
    expect(
      await admin`select from pg_locks where not granted and locktype = 'advisory' and objid = 42 and
        database = (select oid from pg_database where datname = current_database())`,
    ).toHaveLength(1);
  });
  proxy.freeze();
  await holder.run('rollback');
  const stored = await until(async () => {
    const rows = await admin<{
      body: string;
    }>`select body from ops.idempotency_key where status = 201 order by expires_at desc limit 1`;
    expect(await queuedJobs()).toBe(before + 1);
    return rows;
  });
  victim.child.kill('SIGKILL');
  await victim.ended;
  expect(await answer).toBe('none');
  proxy.thaw();

  const again = await askAgain(client, key);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
  expect(await again.text()).toBe(stored[0]?.body);
  expect(await queuedJobs()).toBe(before + 1);
});
