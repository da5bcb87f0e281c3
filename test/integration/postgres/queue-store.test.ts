import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { pagesRead } from '#test/support/pages-read.ts';
import { afterAll, expect, it } from 'vitest';
import { connectionConfig } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueStore as store } from '#src/adapters/outbound/postgres/queue-store.ts';
import { sqlOf, withContext } from '#src/adapters/outbound/postgres/statement.ts';
import type { Statement } from '#src/application/transactions.ts';
import { testDatabase } from '../../support/database.ts';

const { urls } = await testDatabase();
const client = new Client(connectionConfig(urls.api, 'test', 30_000));
await client.connect();
afterAll(async () => {
  await client.end();
});
const context = { traceId: '0'.repeat(32), organizationId: randomUUID(), actor: 'test' };

async function run(statement: Statement<unknown>): Promise<unknown> {
  const { text, values } = withContext(sqlOf(statement), context);
  const { rows } = await client.query<{ value: unknown }>(text, [...values]);
  return sqlOf(statement).read(rows[0]?.value);
}

async function queue(count: number): Promise<string> {
  const jobs = Array.from({ length: count }, () => ({ type: 'a', payload: null, maxAttempts: 3 }));
  const [queued] = (await run(store.queueJobs(jobs))) as { id: string }[];
  return queued?.id ?? '';
}

/** Pages that a statement reads. */
async function pagesOf(statement: Statement<unknown>): Promise<number> {
  const { text, values } = withContext(sqlOf(statement), context);
  return (await pagesRead(async (explain) => await client.query(explain, [...values]), text)).pages;
}

const READS = [
  ['a job', (id: string) => store.findJob(id)],
  ['the newest jobs', () => store.listJobs({}, undefined, 20)],
  ['the jobs after one', (id: string) => store.listJobs({}, id, 20)],
  ['the newest jobs of a type', () => store.listJobs({ type: 'a' }, undefined, 20)],
  ['the figures', () => store.listQueues()],
] as const;

it('[API-6] reads as few pages for an organisation with many jobs as for one with few, though nothing is analysed', async () => {
  const few = await queue(2000);
  const before: number[] = [];
  for (const [, read] of READS) {
    await run(read(few)); // the first one reads the catalogue
    before.push(await pagesOf(read(few)));
  }
  for (let thousands = 0; thousands < 8; thousands += 1) await queue(1000);
  const dearer: string[] = [];
  for (const [index, [name, read]] of READS.entries()) {
    const [pages, once = 0] = [await pagesOf(read(few)), before[index]];
    // Indexes become a level higher; a read of every job would be thousands.
    if (pages > once + 400) dearer.push(`${name}: ${once} → ${pages}`);
  }
  expect(dearer).toEqual([]);
});
