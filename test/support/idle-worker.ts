import { Client } from 'pg';
import { afterAll, expect } from 'vitest';
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
  };
}
