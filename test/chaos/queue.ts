/* What the chaos run knows of the queue's functions and views, all in one place. */
import type { Client } from 'pg';
import type { Final, Plan } from './facts.ts';

export const TYPE = 'chaos.run';

/** What the handler of the workers is told. */
export interface Payload {
  readonly n: number;
  /** How long it takes. */
  readonly ms: number;
  readonly failures: Plan['failures'];
  readonly dies: Plan['dies'];
}

export interface NewJob {
  readonly payload: Payload;
  readonly priority: number;
  readonly run_at: string;
  readonly unique_key?: string;
  readonly max_attempts: number;
}

export interface Queued {
  /** False: another job has its key. */
  readonly created: boolean;
  readonly id: string;
}

/** What `ops.queue_job` gives a job that says nothing of its attempts. */
export const DEFAULT_MAX_ATTEMPTS = 5;

export async function queueJobs(client: Client, jobs: readonly NewJob[]): Promise<Queued[]> {
  const { rows } = await client.query<Queued>({
    name: 'queue_jobs',
    text: 'select created, job_id as id from ops.queue_jobs($1)',
    values: [JSON.stringify(jobs.map((job) => ({ type: TYPE, ...job })))],
  });
  return rows;
}

export async function queueJob(client: Client, { payload, priority, run_at }: NewJob): Promise<Queued> {
  const { rows } = await client.query<{ id: string }>({
    name: 'queue_job',
    text: 'select ops.queue_job($1, $2, $3, $4) as id',
    values: [TYPE, JSON.stringify(payload), priority, run_at],
  });
  return { created: true, id: rows[0]?.id ?? '' };
}

/** Whether the job is cancelled now. */
export async function cancelJob(client: Client, id: string): Promise<boolean> {
  const { rows } = await client.query<{ status: string }>('select status from ops.cancel_job($1)', [id]);
  return rows[0]?.status === 'cancelled';
}

export async function unfinishedJobs(client: Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'select coalesce(sum(depth + scheduled + processing), 0)::integer as count from ops.queues',
  );
  return rows[0]?.count ?? 0;
}

interface FinalRow extends Final {
  readonly id: string;
  readonly n: number | null;
}

/** Every job that there is, in pieces. */
export async function* finalJobs(client: Client): AsyncGenerator<FinalRow> {
  await client.query('begin isolation level repeatable read');
  await client.query(`declare final no scroll cursor for
    select id, (payload ->> 'n')::integer as n, status, attempts, (result ->> 'attempt')::integer as "resultOf" from ops.jobs`);
  for (;;) {
    const { rows } = await client.query<FinalRow>('fetch 20000 from final');
    if (rows.length === 0) break;
    yield* rows;
  }
  await client.query('commit');
}
