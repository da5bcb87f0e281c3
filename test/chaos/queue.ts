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
  /** The number of the job that its completion queues. */
  readonly followUp?: number;
  /** The execution that queued it. */
  readonly follows?: string;
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
/** Attempts that a job may lose to the faults before it becomes a dead letter without being meant to. */
export const MANY_ATTEMPTS = 30;

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

export async function pauseQueue(client: Client): Promise<void> {
  await client.query('select ops.pause_queue($1)', [TYPE]);
}

export async function resumeQueue(client: Client): Promise<void> {
  await client.query('select ops.resume_queue($1)', [TYPE]);
}

/** @param client of the schema's owner */
export async function freezeQueues(client: Client): Promise<void> {
  await client.query('select ops.freeze_queues()');
}

/** @param client of the schema's owner */
export async function unfreezeQueues(client: Client): Promise<void> {
  await client.query('select ops.unfreeze_queues()');
}

/** Queues up to so many dead letters again. @returns how many */
export async function redriveJobs(client: Client, most: number): Promise<number> {
  const { rows } = await client.query<{ jobs: number }>('select ops.redrive_jobs($1, $2) as jobs', [
    TYPE,
    most,
  ]);
  return rows[0]?.jobs ?? 0;
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

/** Every job of the organisation that there is, in pieces. */
export async function* finalJobs(client: Client): AsyncGenerator<FinalRow> {
  await client.query('begin isolation level repeatable read');
  await client.query(`declare final no scroll cursor for
    select id, (payload ->> 'n')::integer as n, status, attempts, result ->> 'run' as "resultOf",
           payload ->> 'follows' as follows from ops.jobs`);
  for (;;) {
    const { rows } = await client.query<FinalRow>('fetch 20000 from final');
    if (rows.length === 0) break;
    yield* rows;
  }
  await client.query('commit');
}

/** How often which jobs were redriven. @param client of a superuser */
export async function redrivenJobs(client: Client): Promise<{ n: number; times: number }[]> {
  const { rows } = await client.query<{ n: number; times: number }>(`
    select (j.payload ->> 'n')::integer as n, o.times
      from (select job_id, count(*)::integer as times from ops.outcome where status = 'redriven' group by job_id) o
      join ops.job j on j.id = o.job_id`);
  return rows;
}
