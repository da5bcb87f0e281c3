import { Client } from 'pg';
import { afterAll, expect, onTestFinished } from 'vitest';
import type { TestDatabase } from './database.ts';
import { until } from './until.ts';

/** A session that is idle as a worker of these types is, until the file's last test. */
export async function idleWorker({ urls }: TestDatabase, types: readonly string[]) {
  let woken: string[] = [];
  const client = new Client({ connectionString: urls.worker });
  client.on('notification', ({ payload = '' }) => woken.push(payload));
  await client.connect();
  afterAll(async () => await client.end());
  await client.query('listen ops_job_ready');
  await client.query('select ops.set_idle($1, true)', [types]);
  return {
    /** The types that it was woken for since this was last asked, once there is one. */
    async untilWoken(): Promise<string[]> {
      await until(() => expect(woken).not.toEqual([]));
      const types = woken;
      woken = [];
      return types;
    },
    /** What was committed until now is not asked for any more. */
    async forget(): Promise<void> {
      await client.query("select pg_notify('ops_job_ready', 'sentinel')");
      await until(() => expect(woken).toContain('sentinel'));
      woken = [];
    },
  };
}

/** Until the test ends no commit wakes anybody: what queues is told to do it itself. */
export async function noCommitWakes({ urls }: Pick<TestDatabase, 'urls'>): Promise<void> {
  const client = new Client({ connectionString: urls.worker });
  await client.connect();
  onTestFinished(async () => await client.end());
  await client.query('select pg_advisory_lock(5527, 0)');
}
