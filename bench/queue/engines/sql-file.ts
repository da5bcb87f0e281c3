import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Client } from 'pg';
import { type Backlog, TYPE, payloadOf } from '../engine.ts';

export const design = (name: string): string =>
  readFileSync(resolve(import.meta.dirname, `../designs/${name}.sql`), 'utf8');

export async function execute(databaseUrl: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The columns of a backlog's jobs: of five priorities where they are of other types. */
const JOB: Readonly<Record<Backlog['kind'], string>> = {
  ready: `'type', '${TYPE}'`,
  scheduled: `'type', '${TYPE}', 'run_at', now() + interval '1 day' + n * interval '10 ms'`,
  'other types': `'type', 'other ' || n % 4, 'priority', n % 5 - 2`,
  paused: `'type', 'paused', 'priority', n % 5 - 2`,
};

/** A statement that queues `count` jobs a thousand at a time with the queue's own function. */
export const queueBacklog = ({ kind, count }: Backlog): string => `
  select count(ops.queue_jobs(jobs)) from (
    select jsonb_agg(jsonb_build_object(${JOB[kind]}, 'payload', '${JSON.stringify(payloadOf(0))}'::jsonb)) as jobs
      from generate_series(1, ${count}) n group by n / 1000) batches`;
