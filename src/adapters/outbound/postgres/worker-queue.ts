import { DomainError } from '#src/domain/errors.ts';
import type { ClaimedJob, JobOptions, NewJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import {
  Contended,
  type Report,
  type WorkerCommand,
  type WorkerQueue,
} from '#src/application/worker/ports.ts';
import type { Pool } from 'pg';
import { isContended } from './errors.ts';
import { toElement } from './job-element.ts';
import { type Row, query } from './pool.ts';
import type { Wake } from './wake.ts';

export interface WorkerIdentity {
  /** Unique to this process; shown to every client, so it holds no host name. */
  readonly id: string;
  readonly hostname: string;
  /** Silence after which the database declares this worker dead. */
  readonly deadAfterMs: number;
}

const WORKER_TYPE = 'dragonfly';
/** Governs this worker's leases only until its first heartbeat. */
const LOCK_TIMEOUT_MINUTES = 30;

/**
 * A claim does not wait for the disk: one that a crash of the server undoes is a job that waits again, and its report, which
 * would have to be on the disk after it, is refused. Only the last attempt of a job must not be forgotten.
 */
const CLAIM = `
  select job_id, job_type, payload, attempts, lease_token, priority, max_attempts, trace_id, organization_id, options
    from (select current_setting('synchronous_commit') as usual, set_config('synchronous_commit', 'off', true)) as commit,
         ops.claim_jobs($1, $2, $3, $4)
   where attempts < max_attempts or set_config('synchronous_commit', commit.usual, true) is not null`;

/** The queue as the functions of the migrations give it to a worker. What a report queues, or gives back, wakes the idle ones. */
export const postgresWorkerQueue = (
  pool: Pool,
  { id, hostname, deadAfterMs }: WorkerIdentity,
  wake: Wake,
): WorkerQueue => ({
  async claim(types, limit) {
    const rows = await query(pool, {
      name: 'claim_jobs',
      text: CLAIM,
      values: [types, limit, LOCK_TIMEOUT_MINUTES, id],
    });
    return rows.map(toClaimedJob);
  },

  async complete(reports) {
    const rows = await query(pool, {
      name: 'complete_jobs',
      text: 'select job_id, lease_token from ops.complete_jobs($1, $2, $3, $4, $5, $6, $7)',
      values: valuesOf(reports),
    }).catch(throwContended);
    wake(reports.flatMap(typesToRun));
    return new Set(rows.map((row) => leaseTokenOf(row['job_id'] as string, row['lease_token'] as string)));
  },

  async beat(status, leases) {
    const [row] = await query(pool, {
      name: 'worker_beat',
      text: 'select * from ops.worker_beat($1, $2, $3, $4, $5, $6, $7)',
      values: [
        id,
        WORKER_TYPE,
        hostname,
        status,
        deadAfterMs / 1000,
        arrayOf(leases.map((lease) => lease.id)),
        arrayOf(leases.map(claimOf)),
      ],
    });
    const jobs = row?.['lost_job_ids'] as string[];
    const claims = row?.['lost_lease_tokens'] as string[];
    return {
      lost: new Set(jobs.map((job, index) => leaseTokenOf(job, claims[index] as string))),
      command: row?.['command'] as WorkerCommand,
    };
  },
});

/** Of what can run at once when this is reported. */
function typesToRun({ job, outcome }: Report): string[] {
  if (outcome.status === 'completed') return (outcome.followUps ?? []).filter(isDue).map(({ type }) => type);
  if (outcome.status === 'failed' || (outcome.backoffSeconds ?? 0) > 0) return [];
  return [job.type];
}
const isDue = ({ runAt }: NewJob): boolean => runAt === undefined || Date.parse(runAt) <= Date.now();

/** In SQL the token is the one of the claim; here it names the job, too, because a claim has many. */
export const leaseTokenOf = (jobId: string, claim: string): string => `${jobId} ${claim}`;
const claimOf = ({ id, leaseToken }: Pick<ClaimedJob, 'id' | 'leaseToken'>): string =>
  leaseToken.slice(id.length + 1);

/** For most statements it is all the same whether the server is away or another session is in the way. */
function throwContended(error: unknown): never {
  const cause = error instanceof DomainError ? error.cause : undefined;
  throw isContended(cause) ? new Contended('Another session is in the way.', { cause }) : error;
}

/** An array as PostgreSQL reads it, of values that need no quotes. */
const arrayOf = (values: readonly string[]): string => `{${values.join(',')}}`;

/** Columns of what is reported; one in which nothing stands is not sent. `retry` is the status `pending` in SQL. */
const valuesOf = (reports: readonly Report[]): unknown[] => [
  arrayOf(reports.map(({ job }) => job.id)),
  arrayOf(reports.map(({ job }) => claimOf(job))),
  arrayOf(reports.map(({ outcome }) => (outcome.status === 'retry' ? 'pending' : outcome.status))),
  columnOf(reports, (outcome) => ('error' in outcome ? outcome.error : undefined)),
  columnOf(reports, (outcome) => ('backoffSeconds' in outcome ? outcome.backoffSeconds : undefined)),
  columnOf(reports, (outcome) =>
    'result' in outcome && outcome.result !== null ? JSON.stringify(outcome.result) : undefined,
  ),
  columnOf(reports, (outcome) =>
    'followUps' in outcome && outcome.followUps
      ? JSON.stringify(outcome.followUps.map(toElement))
      : undefined,
  ),
];

function columnOf(reports: readonly Report[], read: (outcome: Outcome) => unknown): unknown[] | null {
  let isEmpty = true;
  const column = reports.map(({ outcome }) => {
    const value = read(outcome);
    isEmpty &&= value === undefined;
    return value ?? null;
  });
  return isEmpty ? null : column;
}

const toClaimedJob = (row: Row): ClaimedJob => ({
  id: row['job_id'] as ClaimedJob['id'],
  type: row['job_type'] as ClaimedJob['type'],
  payload: row['payload'] as ClaimedJob['payload'],
  attempt: row['attempts'] as ClaimedJob['attempt'],
  maxAttempts: row['max_attempts'] as ClaimedJob['maxAttempts'],
  leaseToken: leaseTokenOf(row['job_id'] as string, row['lease_token'] as string),
  priority: row['priority'] as ClaimedJob['priority'],
  traceId: row['trace_id'] as ClaimedJob['traceId'],
  organizationId: row['organization_id'] as ClaimedJob['organizationId'],
  options: row['options'] === null ? null : toOptions(row['options'] as StoredOptions),
});

/** `ops.fault_of_options` lets nothing else in. */
interface StoredOptions {
  readonly timeout_seconds?: number;
  readonly initial_delay_seconds?: number;
  readonly factor?: number;
  readonly max_delay_seconds?: number;
}

const toOptions = (stored: StoredOptions): JobOptions => ({
  ...(stored.timeout_seconds !== undefined && { timeoutSeconds: stored.timeout_seconds }),
  ...(stored.initial_delay_seconds !== undefined && { initialDelaySeconds: stored.initial_delay_seconds }),
  ...(stored.factor !== undefined && { factor: stored.factor }),
  ...(stored.max_delay_seconds !== undefined && { maxDelaySeconds: stored.max_delay_seconds }),
});
