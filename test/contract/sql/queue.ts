import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Roles, type Session, type Settings, type Sql, apply, connectRoles } from './roles.ts';

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

/** The right to one attempt. */
export type Lease = Pick<Claim, 'job_id' | 'lease_token'>;

/** What is reported of an attempt. */
export interface Outcome {
  readonly status: string;
  readonly error?: string;
  readonly backoff_seconds?: number;
  readonly result?: unknown;
  readonly follow_ups?: readonly NewJob[];
}

export interface ClaimOptions {
  readonly limit?: number;
  readonly worker?: string;
  readonly minutes?: number;
}

/** The organisation that the tests act for unless they say otherwise. */
export const ORGANIZATION = randomUUID();
/** The lock time-out of a claim that shall not expire. */
const LONG_MINUTES = 30;
/** A claim whose lock time-out is over at once. */
export const EXPIRED: ClaimOptions = { minutes: 0 };
/** The shortest silence that the database accepts. */
export const DEAD_AFTER_SECONDS = 1;
export const untilDead = async (): Promise<void> => await sleep(DEAD_AFTER_SECONDS * 1000 + 50);

/** The queue through its functions and views, as the roles of a database of the test file's own. */
export async function connectQueue() {
  const roles = await connectRoles();
  const api = (settings: Settings = {}): Sql =>
    roles.as('api', { organization_id: ORGANIZATION, ...settings });

  /** Queues jobs of the tests' organisation, in one statement. Returns what was queued or was there. */
  async function queueJobs(jobs: readonly NewJob[], settings: Settings = {}, sql = api(settings)) {
    return await sql<{ created: boolean; id: string }>`
      select created, job_id as id from ops.queue_jobs(${elements(jobs)})`;
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

  const worker = workerSide(roles);

  /** A job of a type of its own that a worker holds. */
  async function claimed(
    options: Partial<NewJob> = {},
    { worker: workerId = newWorker(), ...claim }: Omit<ClaimOptions, 'limit'> = {},
  ): Promise<Claim & { worker: string }> {
    const { type = newType() } = options;
    await queueJob({ type, ...options });
    return { ...only(await worker.claim(type, { worker: workerId, ...claim })), worker: workerId };
  }

  /** The same of a worker that beat once: dead `DEAD_AFTER_SECONDS` later, whatever the lock time-out. */
  async function claimedByBeating(options: Partial<NewJob> = {}): Promise<Claim & { worker: string }> {
    const id = newWorker();
    await worker.beat(id, DEAD_AFTER_SECONDS);
    return await claimed(options, { worker: id, minutes: 0 });
  }

  return { ...roles, api, queueJobs, queueJob, job, ...worker, claimed, claimedByBeating };
}

/** `ops.complete_jobs`: the ids of the jobs that took their outcomes, which are those that it did not refuse. */
export async function complete(outcomes: readonly (Lease & Outcome)[], sql: Sql): Promise<string[]> {
  const column = (read: (outcome: Outcome) => unknown): unknown[] =>
    outcomes.map((outcome) => read(outcome) ?? null);
  const refused = await sql<Lease>`
    select * from ops.complete_jobs(
      ${outcomes.map(({ job_id }) => job_id)}, ${outcomes.map(({ lease_token }) => lease_token)},
      ${column(({ status }) => status)}, ${column(({ error }) => error)}, ${column(({ backoff_seconds }) => backoff_seconds)},
      ${column(({ result }) => (result === undefined ? null : JSON.stringify(result)))},
      ${column(({ follow_ups }) => follow_ups && elements(follow_ups))})`;
  const marks = new Set(refused.map(({ job_id, lease_token }) => `${job_id} ${lease_token}`));
  const took = outcomes.filter(({ job_id, lease_token }) => !marks.has(`${job_id} ${lease_token}`));
  return [...new Set(took.map(({ job_id }) => job_id))];
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
    const rows = await complete([{ ...claim, ...outcome }], sql);
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

  /** Says which leases the worker has, or nothing of them. Returns those that it has no longer. */
  async beat(
    id: string,
    deadAfterSeconds: number,
    leases: readonly Lease[] | null = null,
  ): Promise<string[]> {
    const rows = await worker<{ token: string }>`
      select unnest(lost_lease_tokens) as token from ops.worker_beat(${id}, 'test', 'localhost', 'running', ${deadAfterSeconds},
        ${leases?.map(({ job_id }) => job_id)}, ${leases?.map(({ lease_token }) => lease_token)})`;
    return rows.map(({ token }) => token);
  },
});

/** A job type that no other test uses. */
export const newType = (): string => `test.${randomUUID()}`;
export const newWorker = (): string => `worker-${randomUUID()}`;

/** The one row that there must be. */
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
