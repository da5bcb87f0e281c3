import { setTimeout as sleep } from 'node:timers/promises';
import { type SqlQuery, createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { wakeStatement } from '#src/adapters/outbound/postgres/wake.ts';
import { testDatabase } from '#test/support/database.ts';
import { getJob, queueWebhook, untilJob } from '#test/support/jobs.ts';
import { describeWithPgBouncer } from '#test/support/pgbouncer.ts';
import { receiver } from '#test/support/receiver.ts';
import { testClient, testService } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { type ThroughPooler, job, workerOn } from '#test/support/worker.ts';
import type { WorkerOptions } from '#src/adapters/inbound/worker/worker.ts';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';

const database = await testDatabase();
const { urls } = database;

const poolOf = (url: string, throughPooler: boolean): Pool =>
  createPool({
    url,
    applicationName: 'dragonfly-test',
    max: 4,
    acquireTimeoutMs: 2000,
    statementTimeoutMs: 2000,
    throughPooler,
    onIdleError: () => {},
  });

/** As the administrator, and directly. */
const admin = poolOf(urls.admin, false);
afterAll(async () => {
  await admin.end();
});
const sql = async (text: string, ...values: unknown[]) => await query(admin, { text, values });

const untilStatus = async (id: string, status: string): Promise<void> => {
  await until(async () => {
    expect(await sql('select status from ops.job_now where id = $1', id)).toEqual([{ status }]);
  });
};

const working = async (
  connections: ThroughPooler,
  type: string,
  options: Partial<WorkerOptions> = {},
  work: () => Promise<string> = () => Promise.resolve('done'),
) => {
  const worker = workerOn(connections, [job(type, work)], options);
  onTestFinished(worker.stop);
  await worker.start();
  return worker;
};

const slow = async (): Promise<string> => await sleep(1500, 'slept');

const beatOf = async (id: string): Promise<unknown> =>
  (await sql('select last_seen_at as at from ops.worker where id = $1', id))[0]?.['at'];

const sleeping = (seconds: number): SqlQuery => ({ text: 'select pg_sleep($1)', values: [seconds] });

/** After all that was done here, with one connection to the server. */
const LEFT = `select
  (select count(*)::int from pg_prepared_statements) as prepared,
  (select count(*)::int from pg_listening_channels()) as channels,
  (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
  concat(current_setting('ops.trace_id', true), current_setting('ops.organization_id', true),
         current_setting('ops.actor', true)) as context`;

describeWithPgBouncer('through PgBouncer in transaction mode', database, (through) => {
  let api: Pool;
  let worker: Pool;
  beforeAll(() => {
    api = poolOf(through(urls.api), true);
    worker = poolOf(through(urls.worker), true);
  });
  afterAll(async () => {
    await api.end();
    await worker.end();
  });

  const queueJob = async (type: string): Promise<string> => {
    const [row] = await query(api, { text: 'select ops.queue_job($1, $2) as id', values: [type, '{}'] });
    await query(api, wakeStatement([type]));
    return String(row?.['id']);
  };
  const pickUpMs = async (type: string): Promise<number> => {
    const startedAt = performance.now();
    await untilStatus(await queueJob(type), 'completed');
    return performance.now() - startedAt;
  };

  it('the service queues, lists, cancels and delivers, with all its pools behind it', async () => {
    const service = await testService(database, ['api', 'worker'], {
      DRAGONFLY_DATABASE_POOLER: 'transaction',
      DRAGONFLY_API_DATABASE_URL: through(urls.api),
      DRAGONFLY_WORKER_DATABASE_URL: through(urls.worker),
      DRAGONFLY_WORKER_LISTEN_URL: urls.worker,
      // One connection is for claims, reports and beats.
      DRAGONFLY_WORKER_ABORT_AFTER: '5s',
      DRAGONFLY_WORKER_DEAD_AFTER: '10s',
    });
    const client = await testClient(database, service.apiUrl);
    const { url, received } = await receiver();
    const LATER = { run_at: '2099-01-01T00:00:00Z' };
    const [later, ...jobs] = await Promise.all([
      queueWebhook(client, url, LATER),
      ...Array.from({ length: 20 }, async () => await queueWebhook(client, url)),
    ]);
    for (const { id } of jobs) await untilJob(client, id, { status: 'completed', attempts: 1 });
    expect(received).toHaveLength(jobs.length);
    const listed = await client.request('GET', '/v1/jobs?status=completed&limit=100');
    expect(((await listed.json()) as { jobs: unknown[] }).jobs).toHaveLength(jobs.length);
    const once = { 'idempotency-key': 'cancel-once' };
    for (const replayed of [null, 'true']) {
      const cancelled = await client.request('POST', `/v1/jobs/${later.id}/cancel`, undefined, once);
      expect([cancelled.status, cancelled.headers.get('idempotency-replayed')]).toEqual([200, replayed]);
    }
    expect(await getJob(client, later.id)).toMatchObject({ status: 'cancelled' });
    expect((await fetch(`${service.metricsUrl}/readyz`)).status).toBe(200);
    await service.stop();
  });

  it('a worker that only polls claims, beats and reports, and nobody notifies it', async () => {
    const polling = { url: through(urls.worker), listenUrl: undefined };
    const { id: workerId, stop } = await working(polling, 'polled', {}, slow);
    const id = await queueJob('polled');
    await untilStatus(id, 'processing');
    const first = await beatOf(workerId);
    await until(async () => {
      expect(await beatOf(workerId)).not.toBe(first);
    });
    await untilStatus(id, 'completed');
    expect(
      await sql(
        "select from pg_locks where database = (select oid from pg_database where datname = current_database()) and locktype = 'advisory' and classid = 5526",
      ),
    ).toEqual([]);
    await stop();
    expect(await sql('select status from ops.worker where id = $1', workerId)).toEqual([
      { status: 'stopped' },
    ]);
  });

  it('a worker that polls finds a job within its poll interval, one that listens directly long before', async () => {
    await working({ url: through(urls.worker), listenUrl: undefined }, 'found', { pollIntervalMs: 1000 });
    await working({ url: through(urls.worker), listenUrl: urls.worker }, 'heard', { pollIntervalMs: 60_000 });
    await sleep(300);
    expect(await pickUpMs('found')).toBeLessThan(3000);
    expect(await pickUpMs('heard')).toBeLessThan(1000);
  });

  it('nothing is left on the connections to the server', async () => {
    for (const pool of [api, worker]) {
      const rows = await query(pool, { text: LEFT, values: [] });
      expect(rows).toEqual([{ prepared: 0, channels: 0, locks: 0, context: '' }]);
    }
  });

  it('the time-outs of a role hold there, and without one the client does not wait for ever', async () => {
    const startedAt = performance.now();
    await expect(query(worker, sleeping(5))).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(performance.now() - startedAt).toBeLessThan(4500);
    const role = new URL(urls.worker).username;
    await sql(`alter role ${role} in database ${database.name} set statement_timeout = '200ms'`);
    await sql(
      'select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and datname = $2',
      role,
      database.name,
    );
    await until(async () => {
      await expect(query(worker, sleeping(1))).rejects.toMatchObject({ cause: { code: '57014' } });
    });
  });

  it('is no place for prepared statements or parameters of the start, which is why they are not sent', async () => {
    const direct = poolOf(through(urls.api), false);
    onTestFinished(async () => await direct.end());
    await expect(query(direct, { text: 'select', values: [] })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('unsupported startup parameter') as unknown },
    });
  });
});
