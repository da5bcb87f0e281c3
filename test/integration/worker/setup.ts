import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import type { JsonValue } from '#src/domain/jobs/job.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabase } from '#test/support/database.ts';
import { job, workerOn } from '#test/support/worker.ts';
import { afterAll, expect, onTestFinished, vi } from 'vitest';

export const { urls } = await testDatabase();

/** As the administrator, who sees and may do everything. */
const admin = createPool({
  url: urls.admin,
  applicationName: 'dragonfly-test',
  max: 2,
  acquireTimeoutMs: 5000,
  statementTimeoutMs: 5000,
  onIdleError: () => {},
});
afterAll(async () => {
  await admin.end();
});

export const sql = async (text: string, ...values: unknown[]) => await query(admin, { text, values });

/** Ids in the order of the payloads. */
export async function queueJobs(
  type: string,
  payloads: readonly JsonValue[],
  priority = 0,
): Promise<string[]> {
  const jobs = payloads.map((payload) => ({ type, payload, priority }));
  const rows = await sql('select job_id as id from ops.queue_jobs($1)', JSON.stringify(jobs));
  return rows.map((row) => row['id'] as string);
}

export async function queueJob(type: string, payload: JsonValue = {}): Promise<string> {
  const [id = ''] = await queueJobs(type, [payload]);
  return id;
}

export const jobRow = async (id: string) =>
  (await sql('select status, attempts, last_error, result from ops.job_now where id = $1', id))[0];

export const countOf = async (status: string): Promise<number> =>
  Number((await sql('select count(*) as n from ops.job_now where status = $1', status))[0]?.['n']);

type Options = Parameters<typeof workerOn> extends [unknown, ...infer Rest] ? Rest : never;

/** A worker until the test ends. */
export async function working(...options: Options) {
  const worker = workerOn(urls.worker, ...options);
  onTestFinished(worker.stop);
  await worker.start();
  return worker;
}

export const until = async (condition: () => unknown, timeout = 10_000): Promise<void> => {
  await vi.waitFor(condition, { timeout, interval: 20 });
};

export const untilStatus = async (id: string, status: string): Promise<void> => {
  await until(async () => {
    expect(await jobRow(id)).toMatchObject({ status });
  });
};

/** Until then a worker learns of a cancelled job by its next beat, as of a lease that it has lost. */
export const untilListening = async (): Promise<void> => {
  await until(async () => {
    const idle =
      "select from pg_locks where locktype = 'advisory' and classid = 5526 and database in (select oid from pg_database where datname = current_database())";
    expect(await sql(idle)).not.toEqual([]);
  });
};

/** Takes as many milliseconds as its payload says. */
export const nap = job('nap', async (payload, { signal }) => await sleep(Number(payload), null, { signal }));
