import { randomUUID } from 'node:crypto';
import { postgresAuditStore } from '#src/adapters/outbound/postgres/audit-store.ts';
import { openTransaction } from '#src/adapters/outbound/postgres/open-transaction.ts';
import { postgresIdempotency } from '#src/adapters/outbound/postgres/idempotency.ts';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueStore as store } from '#src/adapters/outbound/postgres/queue-store.ts';
import { postgresTransactions } from '#src/adapters/outbound/postgres/transactions.ts';
import type { RequestContext } from '#src/application/context.ts';
import { makeIdempotency } from '#src/application/idempotency/idempotency.ts';
import type { Execution } from '#src/application/idempotency/ports.ts';
import type { AuditEntry } from '#src/domain/audit/entry.ts';
import { DomainError } from '#src/domain/errors.ts';
import { testDatabase } from '#test/support/database.ts';
import { afterAll, expect, it } from 'vitest';

const { urls } = await testDatabase();
const pool = createPool({
  url: urls.api,
  applicationName: 'test',
  max: 2,
  acquireTimeoutMs: 1000,
  statementTimeoutMs: 1000,
  onIdleError: () => {},
});
afterAll(async () => await pool.end());
const { transaction } = postgresTransactions(pool);
/** Types that workers were woken for. */
let woken: string[] = [];
const idempotency = makeIdempotency(postgresIdempotency(pool, (types) => woken.push(...types)));

const caller: RequestContext = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  organizationId: randomUUID(),
  actor: 'api_key:test',
};
const newRequest = () => ({ operation: 'POST /v1/jobs', key: randomUUID(), fingerprint: '00'.repeat(32) });
const job = (payload: number) =>
  store.queueJobs([{ type: 'test.job', payload, maxAttempts: 3, runAt: '2099-01-01T00:00:00Z' }]);
const NOBODY = '019abcde-0000-7000-8000-000000000000';
/** What the audit log has of the caller's organisation. */
const acts = async (): Promise<readonly AuditEntry[]> =>
  (await transaction(caller, postgresAuditStore.listEntries({}, undefined, 100))).entries;
const queued = async (): Promise<number> =>
  (await transaction(caller, store.listJobs({}, undefined, 100))).jobs.length;
const answer = (status: number) => ({
  status,
  headers: { location: '/x', 'x-many': ['a', 'b'] },
  body: '{"a": 1 }',
});

async function begun(
  request: ReturnType<typeof newRequest>,
): Promise<{ execution: Execution; context: RequestContext }> {
  const found = await idempotency.begin(caller, request);
  if (!('execution' in found)) throw new Error('It was done before.');
  const { execution } = found;
  return { execution, context: { ...caller, transaction: execution.transaction } };
}

it('[API-5] [Q-3] the effect of every transaction of the context is committed with the answer, or with none', async () => {
  const before = await queued();
  const request = newRequest();
  const { execution, context } = await begun(request);
  await transaction(context, job(1));
  await transaction(context, async (run) => {
    await run(job(2));
    await run(job(3));
  });
  expect(await queued()).toBe(before);
  await idempotency.end(execution, answer(201), true);
  expect(await queued()).toBe(before + 3);
  expect(await idempotency.begin(caller, request)).toEqual({ answer: answer(201) });
  expect(pool.idleCount).toBe(pool.totalCount);
});

it('[ARC-5] workers are woken for what was queued when it is committed, and not before', async () => {
  woken = [];
  const { execution, context } = await begun(newRequest());
  await transaction(context, store.queueJobs([{ type: 'test.job', payload: 1, maxAttempts: 3 }]));
  expect(woken).toEqual([]);
  await idempotency.end(execution, answer(201), true);
  expect(woken).toEqual(['test.job']);
});

it('[API-5] [DATA-7] a refusal is kept with what was recorded of it, and without what was taken back', async () => {
  const before = await queued();
  const request = newRequest();
  const { execution, context } = await begun(request);
  await transaction(context, store.cancelJob(NOBODY));
  const refused = transaction(context, async (run) => {
    await run(job(1));
    throw new DomainError('privilege_escalation', 'No.');
  });
  await expect(refused).rejects.toMatchObject({ code: 'privilege_escalation' });
  await idempotency.end(execution, answer(409), true);
  expect(await queued()).toBe(before);
  expect(await acts()).toMatchObject([{ action: 'job.cancel', target: NOBODY, outcome: 'not_found' }]);
  expect(await idempotency.begin(caller, request)).toEqual({ answer: answer(409) });
});

it('[API-5] a fault of ours is as if nothing had been asked', async () => {
  const before = await queued();
  const request = newRequest();
  const { execution, context } = await begun(request);
  await transaction(context, job(1));
  await idempotency.end(execution, answer(500), true);
  expect(await queued()).toBe(before);
  await (await begun(request)).execution.rollBack();
});

it('[API-5] what must not be kept is done once all the same', async () => {
  const request = newRequest();
  await idempotency.end((await begun(request)).execution, answer(201), false);
  await expect(idempotency.begin(caller, request)).rejects.toMatchObject({
    code: 'idempotency_answer_not_kept',
  });
});

it('a part that fails is rolled back alone', async () => {
  const before = await queued();
  const { execution, context } = await begun(newRequest());
  await transaction(context, job(1));
  const part = transaction(context, async (run) => {
    await run(job(2));
    throw new RangeError('changed my mind');
  });
  await expect(part).rejects.toThrow(new RangeError('changed my mind'));
  await expect(transaction(context, store.purgeJobs('', 1))).rejects.toMatchObject({ code: '22023' });
  await transaction(context, job(3));
  await idempotency.end(execution, answer(200), true);
  expect(await queued()).toBe(before + 2);
});

it('a statement that comes after the end is refused: the connection is somebody else’s by now', async () => {
  const before = await queued();
  const { execution, context } = await begun(newRequest());
  const late = transaction(context, async (run) => {
    await execution.rollBack();
    await run(job(1));
  });
  await expect(late).rejects.toMatchObject({ code: 'database_unavailable' });
  await execution.rollBack();
  expect(await queued()).toBe(before);
});

it('[API-5] a key in use is refused without waiting, and is free when the transaction ends', async () => {
  const request = newRequest();
  const { execution } = await begun(request);
  await expect(idempotency.begin(caller, request)).rejects.toMatchObject({ code: 'idempotency_key_in_use' });
  await execution.rollBack();
  await (await begun(request)).execution.rollBack();
});

it('[SEC-11] the database itself keeps the keys of principals apart', async () => {
  const request = newRequest();
  await idempotency.end((await begun(request)).execution, answer(200), true);
  for (const principal of [{ organizationId: randomUUID() }, { actor: 'api_key:other' }]) {
    const found = await idempotency.begin({ ...caller, ...principal }, request);
    expect(found).toHaveProperty('execution');
    if ('execution' in found) await found.execution.rollBack();
  }
});

it('[SEC-11] leaves nothing on the connection', async () => {
  await idempotency.end((await begun(newRequest())).execution, answer(200), true);
  const rows = await query(pool, {
    text: `select concat(current_setting('ops.organization_id', true), current_setting('ops.actor', true)) as context,
      (select count(*)::integer from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`,
    values: [],
  });
  expect(rows).toEqual([{ context: '', locks: 0 }]);
});

it('[ARC-10] a transaction gives its connection back once, whoever ends it first', async () => {
  const open = await openTransaction(pool, () => {});
  const [rolledBack, committed] = await Promise.allSettled([open.rollBack(), open.commit()]);
  expect(rolledBack).toMatchObject({ status: 'fulfilled' });
  expect(committed).toMatchObject({ status: 'rejected', reason: { code: 'database_unavailable' } });
  const other = await openTransaction(pool, () => {});
  const [done, again] = await Promise.allSettled([other.commit(), other.rollBack()]);
  expect([done, again]).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }]);
});
