import { afterAll, expect, it } from 'vitest';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueStore as store } from '#src/adapters/outbound/postgres/queue-store.ts';
import { type SqlStatement, inContext } from '#src/adapters/outbound/postgres/statement.ts';
import { postgresTransactions } from '#src/adapters/outbound/postgres/transactions.ts';
import { testDatabase } from '../../support/database.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const database = await testDatabase();
const proxy = await tcpProxy(database.urls.api);
const pool = createPool({
  url: proxy.url,
  applicationName: 'test',
  max: 2,
  acquireTimeoutMs: 1000,
  statementTimeoutMs: 1000,
  onIdleError: () => {},
});
afterAll(async () => {
  await pool.end();
  await proxy.close();
});
const { transaction } = postgresTransactions(pool);

const context = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  organizationId: '01a1fd10-8594-7db0-8f34-631f8c7f8b1b',
  actor: 'api_key:test',
};
const job = (payload: number) => ({ type: 'test.job', payload, maxAttempts: 3 });
const SETTINGS = `select json_build_object(
  'trace', ops.current_trace(), 'organization', ops.current_organization(), 'actor', ops.current_actor())`;
const settings: SqlStatement<unknown> = {
  text: inContext(SETTINGS, 0),
  values: [],
  read: (value) => value,
};
const listed = async () => (await transaction(context, store.listJobs({}, undefined, 100))).jobs;

it('[OBS-3] sets trace id, organisation and actor in the statement that has the effect', async () => {
  expect(await transaction(context, settings)).toEqual({
    trace: context.traceId,
    organization: context.organizationId,
    actor: context.actor,
  });
});

it('leaves no setting behind on the pooled connection', async () => {
  await transaction(context, settings);
  await transaction(context, async (run) => await run(settings));
  const [row] = await query(pool, { text: SETTINGS, values: [] });
  expect(row).toEqual({ json_build_object: { trace: null, organization: null, actor: null } });
});

it('queues a job in one round trip', async () => {
  await listed();
  const before = proxy.requests;
  await transaction(context, store.queueJob({ ...job(1), runAt: '2099-01-01T00:00:00Z' }));
  expect(proxy.requests - before).toBe(1);
});

it('commits several statements together', async () => {
  const before = await listed();
  await transaction(context, async (run) => {
    await run(store.queueJobs([job(1)]));
    await run(store.queueJobs([job(2)]));
  });
  expect(await listed()).toHaveLength(before.length + 2);
});

it('rolls all back when the work throws, and keeps the connection', async () => {
  const before = await listed();
  const work = transaction(context, async (run) => {
    await run(store.queueJobs([job(1)]));
    throw new RangeError('changed my mind');
  });
  await expect(work).rejects.toThrow(new RangeError('changed my mind'));
  expect(await listed()).toEqual(before);
  expect(pool.totalCount).toBe(pool.idleCount);
});

it('keeps the error that ended the work when the connection is lost before the rollback', async () => {
  const work = transaction(context, async (run) => {
    await run(settings);
    proxy.cut();
    throw new RangeError('changed my mind');
  });
  await expect(work).rejects.toThrow(new RangeError('changed my mind'));
  expect(await transaction(context, settings)).toMatchObject({ actor: context.actor });
});

it('does not ask a server that fell silent in a transaction to roll back', async () => {
  let failed = Infinity;
  const work = transaction(context, async (run) => {
    await run(settings);
    proxy.freeze();
    await run(settings).finally(() => (failed = performance.now()));
  });
  await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
  expect(performance.now() - failed).toBeLessThan(200);
  proxy.thaw();
  expect(await transaction(context, settings)).toMatchObject({ actor: context.actor });
});

it('says database_unavailable when a statement takes too long, and does not reuse its connection', async () => {
  const slow: SqlStatement<void> = {
    text: inContext('select null from pg_sleep(5)', 0),
    values: [],
    read: () => {},
  };
  await expect(transaction(context, slow)).rejects.toMatchObject({ code: 'database_unavailable' });
  expect(await transaction(context, settings)).toMatchObject({ actor: context.actor });
});

it('does not reuse a connection that the server said goodbye to', async () => {
  for (let n = 0; n < 20; n += 1) {
    const farewell: SqlStatement<void> = {
      text: inContext('select pg_terminate_backend(pg_backend_pid())::text', 0),
      values: [],
      read: () => {},
    };
    await expect(transaction(context, farewell)).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await transaction(context, settings)).toMatchObject({ actor: context.actor });
  }
});

it('[ARC-10] gives up waiting for a connection', async () => {
  const held = [await pool.connect(), await pool.connect()];
  const started = performance.now();
  await expect(transaction(context, settings)).rejects.toMatchObject({ code: 'database_unavailable' });
  expect(performance.now() - started).toBeLessThan(2000);
  for (const client of held) client.release();
});

it('does without a connection that the server ended', async () => {
  await listed();
  proxy.cut();
  await expect.poll(() => pool.totalCount).toBe(0);
  expect(await transaction(context, settings)).toMatchObject({ actor: context.actor });
});

it('says database_unavailable when the server falls silent, and recovers', { timeout: 10_000 }, async () => {
  await listed();
  proxy.freeze();
  await expect(transaction(context, settings)).rejects.toMatchObject({ code: 'database_unavailable' });
  proxy.thaw();
  expect(await transaction(context, settings)).toMatchObject({ actor: context.actor });
});
