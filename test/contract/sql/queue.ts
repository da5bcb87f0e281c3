import { randomUUID } from 'node:crypto';
import {
  type Roles,
  type Session,
  type Settings,
  type Sql,
  apply,
  connectRoles,
  newWorker,
} from './roles.ts';

/** What every engine behind the functions shows of a job. */
export interface JobRow {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly priority: number;
  readonly payload: unknown;
  readonly attempts: number;
  readonly max_attempts: number;
  readonly created_at: Date;
  readonly run_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly last_error: string | null;
  readonly result: unknown;
  readonly trace_id: string;
}

export interface Claim {
  readonly job_id: string;
  readonly job_type: string;
  readonly payload: unknown;
  readonly attempts: number;
  readonly created_at: Date;
  readonly lease_token: string;
  readonly priority: number;
  readonly max_attempts: number;
  readonly run_at: Date;
  readonly trace_id: string;
  readonly organization_id: string | null;
}

/** An element of `ops.queue_jobs`. */
export interface NewJob {
  readonly type: string;
  readonly payload?: unknown;
  readonly priority?: number;
  readonly run_at?: string;
  readonly unique_key?: string;
  readonly max_attempts?: number;
}

/** An element of `ops.complete_jobs`, but for the job. */
export interface Outcome {
  readonly status: string;
  readonly error?: string;
  readonly backoff_seconds?: number;
  readonly result?: unknown;
}

export interface ClaimOptions {
  readonly limit?: number;
  readonly worker?: string;
  readonly minutes?: number;
}

export type Queue = Awaited<ReturnType<typeof connectQueue>>;

/** The organisation that the tests act for unless they say otherwise. */
export const ORGANIZATION = randomUUID();
/** Alive until then whatever it does: it never beats, and this lock time-out is long. */
const LONG_MINUTES = 30;

/** The queue through its functions and views, as the roles of a database of the test file's own. */
export async function connectQueue() {
  const roles = await connectRoles();
  const api = (settings: Settings = {}): Sql =>
    roles.as('api', { organization_id: ORGANIZATION, ...settings });

  /** Queues jobs of the tests' organisation, in one statement. Returns what was queued or was there. */
  async function queueJobs(jobs: readonly NewJob[], settings: Settings = {}, sql = api(settings)) {
    return await sql<{ created: boolean; id: string }>`
      select created, (job).id from ops.queue_jobs(${elements(jobs)})`;
  }

  /** The id of one queued job. */
  async function queueJob(job: NewJob, settings: Settings = {}): Promise<string> {
    const [queued] = await queueJobs([job], settings);
    return queued?.id ?? '';
  }

  /** The job as its organisation sees it. */
  async function job(id: string, organization = ORGANIZATION): Promise<JobRow> {
    const [row] = await api({
      organization_id: organization,
    })<JobRow>`select * from ops.jobs where id = ${id}`;
    if (!row) throw new Error(`The organisation ${organization} sees no job ${id}.`);
    return row;
  }

  return { ...roles, api, queueJobs, queueJob, job, ...workerSide(roles) };
}

const workerSide = ({ worker, as }: Roles) => ({
  /** Claims as a worker that never beats. */
  claim: async (
    type: string | readonly string[],
    { limit = 1, worker: workerId = newWorker(), minutes = LONG_MINUTES }: ClaimOptions = {},
    sql: Sql = worker,
  ): Promise<Claim[]> =>
    await sql<Claim>`select * from ops.claim_jobs(${[type].flat()}, ${limit}, ${minutes}, ${workerId})`,

  /** Whether the outcome of a claim took effect. */
  async report(claim: Claim, outcome: Outcome, sql: Sql = worker): Promise<boolean> {
    const rows = await sql`
      select ops.complete_jobs(${JSON.stringify([
        { job_id: claim.job_id, lease_token: claim.lease_token, ...outcome },
      ])})`;
    return rows.length === 1;
  },

  /** `ops.update_job_status`, with a lease token or without one. */
  async updateStatus(
    id: string,
    status: string,
    rest: { error?: string; backoff?: number; token?: string } = {},
  ): Promise<boolean> {
    const sql = rest.token === undefined ? worker : as('worker', { lease_token: rest.token });
    const [row] = await sql<{ done: boolean }>`
      select ops.update_job_status(${id}, ${status}, ${rest.error}, ${rest.backoff}) as done`;
    return row?.done ?? false;
  },

  /** The lease tokens that the worker holds no longer. */
  async beat(id: string, deadAfterSeconds: number, tokens: readonly string[] = []): Promise<string[]> {
    const rows = await worker<{ token: string }>`
      select worker_beat as token from ops.worker_beat(${id}, 'test', 'localhost', 'running', ${deadAfterSeconds}, ${tokens})`;
    return rows.map(({ token }) => token);
  },
});

/** The first claim of a job that must be there. */
export function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`Expected one row, not ${rows.length}.`);
  return row;
}

export const elements = (jobs: readonly NewJob[]): string =>
  JSON.stringify(jobs.map((job) => ({ payload: {}, ...job })));

/** Opens a transaction that the test ends itself. */
export async function begin(session: Session, settings: Settings = { organization_id: ORGANIZATION }) {
  await session.sql`begin`;
  await apply(session.sql, settings);
}
