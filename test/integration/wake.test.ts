import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueStore as store } from '#src/adapters/outbound/postgres/queue-store.ts';
import { postgresTransactions } from '#src/adapters/outbound/postgres/transactions.ts';
import { connectRoles } from '#test/contract/sql/roles.ts';
import { testDatabase } from '#test/support/database.ts';
import { idleWorker, noCommitWakes } from '#test/support/idle-worker.ts';
import { jobIn, queueWebhook, webhookTo } from '#test/support/jobs.ts';
import { testClient, testService } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

const database = await testDatabase();
const { run: asOwner } = await (await connectRoles(database)).session('owner');
const { apiUrl, metricsUrl } = await testService(database, ['api']);
const client = await testClient(database, apiUrl);
const { untilWoken } = await idleWorker(database, ['webhook.deliver']);

/** As the API does, with the types that workers were woken for. */
const pool = createPool({
  url: database.urls.api,
  applicationName: 'test',
  max: 2,
  acquireTimeoutMs: 5000,
  statementTimeoutMs: 5000,
  onIdleError: () => {},
});
afterAll(async () => await pool.end());
let woken: string[] = [];
const { transaction } = postgresTransactions(pool, (types) => woken.push(...types));
const context = { traceId: '0'.repeat(32), organizationId: client.organizationId, actor: 'test' };
const testJob = (payload: number) => ({ type: 'test.job', payload, maxAttempts: 3 });

async function wakeErrors(): Promise<number> {
  const metrics = await (await fetch(`${metricsUrl}/metrics`)).text();
  return Number(/^queue_wake_errors_total (\d+)$/m.exec(metrics)?.[1]);
}
const URL_OF_NOBODY = 'https://example.com/hook';
const LATER = { run_at: '2099-01-01T00:00:00Z' };
const job = webhookTo(URL_OF_NOBODY);
const api = escapeIdentifier(new URL(database.urls.api).username);

describe('[ARC-5] the API wakes an idle worker', () => {
  const queueing = [
    { what: 'a job', path: '/v1/jobs', body: job },
    { what: 'a batch', path: '/v1/jobs/batch', body: { jobs: [job, job, job] } },
    { what: 'a job that is queued at most once', path: '/v1/jobs', body: job, key: true },
  ];
  const ways = [
    { by: 'by the commit', commitWakes: true },
    { by: 'after a commit that did not', commitWakes: false },
  ];
  const cases = ways.flatMap((way) => queueing.map((request) => Object.assign({}, way, request)));
  it.for(cases)('once for $what, $by', async ({ commitWakes, path, body, key = false }) => {
    if (!commitWakes) await noCommitWakes(database);
    const headers = key ? { 'idempotency-key': randomUUID() } : {};
    expect((await client.request('POST', path, body, headers)).status).toBe(201);
    // Time for a second wake-up, which must not come.
    await sleep(50);
    expect(await untilWoken()).toEqual(['webhook.deliver']);
  });

  it('that has a scheduled job run now', async () => {
    const { id } = await queueWebhook(client, URL_OF_NOBODY, LATER);
    await jobIn(await client.request('POST', `/v1/jobs/${id}/retry`));
    expect(await untilWoken()).toEqual(['webhook.deliver']);
  });
});

describe('[ARC-5] a transaction wakes idle workers', () => {
  const SCHEDULED = { runAt: '2099-01-01T00:00:00Z' };
  beforeEach(() => (woken = []));

  it('for a job that can run now, and not for one that waits or was there already', async () => {
    const keyed = { ...testJob(1), uniqueKey: randomUUID() };
    await transaction(context, store.queueJob(keyed));
    expect(woken).toEqual(['test.job']);
    await transaction(context, store.queueJob(keyed));
    await transaction(context, store.queueJob({ ...testJob(1), ...SCHEDULED }));
    await transaction(context, store.queueJobs([keyed, { ...testJob(1), ...SCHEDULED }]));
    expect(woken).toEqual(['test.job']);
  });

  it('for what a client has run again', async () => {
    const { id } = await transaction(context, store.queueJob({ ...testJob(1), ...SCHEDULED }));
    await transaction(context, store.retryJob(id));
    expect(woken).toEqual(['test.job']);
    await transaction(context, store.retryJob(randomUUID()));
    expect(await transaction(context, store.redriveJobs('test.job', 1))).toBe(0);
    expect(woken).toEqual(['test.job']);
    const worker = new Client({ connectionString: database.urls.worker });
    await worker.connect();
    await worker.query(
      "select ops.update_job_status(job_id, 'failed', 'no') from ops.claim_jobs('{test.job}', 1, 30, 'test')",
    );
    await worker.end();
    expect(await transaction(context, store.redriveJobs('test.job', 1))).toBe(1);
    expect(woken).toEqual(['test.job', 'test.job']);
  });

  it('when several statements are committed, once for each type, and not before', async () => {
    await transaction(context, async (run) => {
      await run(store.queueJobs([testJob(1), testJob(2)]));
      await run(store.queueJob({ ...testJob(3), type: 'test.other' }));
      expect(woken).toEqual([]);
    });
    expect(woken).toEqual(['test.job', 'test.other']);
  });

  it('not for what is rolled back', async () => {
    const work = transaction(context, async (run) => {
      await run(store.queueJobs([testJob(1)]));
      throw new RangeError('changed my mind');
    });
    await expect(work).rejects.toThrow(RangeError);
    await expect(transaction(context, store.queueJob({ ...testJob(1), type: '' }))).rejects.toMatchObject({
      code: '22023',
    });
    expect(woken).toEqual([]);
  });
});

it('[ARC-5] a wake-up that fails is counted, and no fault of the request', async () => {
  const before = await wakeErrors();
  await noCommitWakes(database);
  const mend = async () => void (await asOwner(`grant execute on function ops.wake(text[]) to ${api}`));
  onTestFinished(mend);
  await asOwner(`revoke execute on function ops.wake(text[]) from ${api}`);
  await queueWebhook(client, URL_OF_NOBODY);
  await until(async () => {
    expect(await wakeErrors()).toBe(before + 1);
  });
  await mend();
  await queueWebhook(client, URL_OF_NOBODY);
  expect(await untilWoken()).toEqual(['webhook.deliver']);
});
