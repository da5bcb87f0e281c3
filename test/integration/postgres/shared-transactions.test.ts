import { randomUUID } from 'node:crypto';
import { afterAll, expect, it } from 'vitest';
import { createPool } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueStore as store } from '#src/adapters/outbound/postgres/queue-store.ts';
import { postgresTransactions } from '#src/adapters/outbound/postgres/transactions.ts';
import { testDatabase } from '../../support/database.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const { urls } = await testDatabase();
const proxy = await tcpProxy(urls.api);
const pool = createPool({
  url: proxy.url,
  applicationName: 'test',
  max: 4,
  acquireTimeoutMs: 1000,
  statementTimeoutMs: 1000,
  onIdleError: () => {},
});
afterAll(async () => {
  await pool.end();
  await proxy.close();
});
/** Types that workers were woken for. */
let woken: string[] = [];
const { transaction } = postgresTransactions(pool, (types) => woken.push(...types));

const newCaller = () => ({
  traceId: randomUUID().replaceAll('-', ''),
  organizationId: randomUUID(),
  actor: `api_key:${randomUUID()}`,
});
const LATER = '2099-01-01T00:00:00Z';
const job = (payload: unknown, type = 'test.job') =>
  store.queueJob({ type, payload: payload as number, maxAttempts: 3, runAt: LATER });
const jobForNow = (type: string) => store.queueJob({ type, payload: 1, maxAttempts: 3 });
const MANY = Array.from({ length: 60 }, (_, index) => ({ index, caller: newCaller() }));

it('[SEC-11] answers each caller with its own job, of many in a few round trips', async () => {
  await transaction(newCaller(), job(0));
  const before = proxy.requests;
  const answers = await Promise.all(
    MANY.map(async ({ index, caller }) => await transaction(caller, job(index))),
  );
  expect(proxy.requests - before).toBeLessThan(10);
  for (const [index, { id, created }] of answers.entries()) {
    const { caller } = MANY[index] ?? { caller: newCaller() };
    expect(created).toBe(true);
    const { jobs } = await transaction(caller, store.listJobs({}, undefined, 10));
    expect(jobs).toMatchObject([{ id, traceId: caller.traceId }]);
  }
  const ids = answers.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

it('[ARC-5] wakes idle workers for those that can run now', async () => {
  woken = [];
  await Promise.all(
    [1, 2, 3, 4].map(
      async (n) => await transaction(newCaller(), n > 2 ? jobForNow(`test.${n}`) : job(n, `test.${n}`)),
    ),
  );
  expect(woken.toSorted()).toEqual(['test.3', 'test.4']);
});

it('lets nobody fail by the fault of another', async () => {
  const caller = newCaller();
  const outcomes = await Promise.allSettled(
    MANY.map(async ({ index }) => await transaction(caller, job(index, index === 30 ? '' : 'test.job'))),
  );
  const failed = outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []));
  expect(failed).toEqual([30]);
  expect(outcomes[30]).toMatchObject({ reason: { code: '22023' } });
  const { jobs } = await transaction(caller, store.listJobs({}, undefined, 100));
  expect(jobs).toHaveLength(MANY.length - 1);
});

it('takes jobs that are too long for company, and jobs with a key', async () => {
  const caller = newCaller();
  const long = 'x'.repeat(20_000);
  const keyed = store.queueJob({ type: 'test.job', payload: 1, maxAttempts: 3, uniqueKey: 'k' });
  const answers = await Promise.all(
    MANY.map(async ({ index }) => await transaction(caller, index % 2 === 0 ? job(long) : keyed)),
  );
  expect(answers.filter(({ created }) => created)).toHaveLength(MANY.length / 2 + 1);
});

it('says database_unavailable to all when the server falls silent, and recovers', async () => {
  const caller = newCaller();
  proxy.freeze();
  const started = performance.now();
  const outcomes = await Promise.allSettled(MANY.map(async () => await transaction(caller, job(1))));
  expect(performance.now() - started).toBeLessThan(3000);
  for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'database_unavailable' } });
  proxy.thaw();
  expect(await transaction(caller, job(1))).toMatchObject({ created: true });
});
