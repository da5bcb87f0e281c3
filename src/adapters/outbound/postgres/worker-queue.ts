import { DomainError } from '#src/domain/errors.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import { Contended, type Report, type WorkerQueue } from '#src/application/worker/ports.ts';
import type { Pool } from 'pg';
import { isContended } from './errors.ts';
import { type Row, query } from './pool.ts';

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

/** The queue as the functions of the migrations give it to a worker. */
export const postgresWorkerQueue = (
  pool: Pool,
  { id, hostname, deadAfterMs }: WorkerIdentity,
): WorkerQueue => ({
  async claim(types, limit) {
    const rows = await query(pool, {
      name: 'claim_jobs',
      text: 'select * from ops.claim_jobs($1, $2, $3, $4)',
      values: [types, limit, LOCK_TIMEOUT_MINUTES, id],
    });
    return rows.map(toClaimedJob);
  },

  async complete(reports) {
    const rows = await query(pool, {
      name: 'complete_jobs',
      text: 'select complete_jobs as id from ops.complete_jobs($1, $2, $3, $4, $5, $6)',
      values: valuesOf(reports),
    }).catch(throwContended);
    return new Set(rows.map((row) => row['id'] as string));
  },

  async beat(status, leaseTokens) {
    const leases = leaseTokens.map((token) => token.split(' '));
    const [row] = await query(pool, {
      name: 'worker_beat',
      text: 'select * from ops.worker_beat($1, $2, $3, $4, $5, $6, $7)',
      values: [
        id,
        WORKER_TYPE,
        hostname,
        status,
        deadAfterMs / 1000,
        leases.map(([job]) => job),
        leases.map(([, token]) => token),
      ],
    });
    const jobs = row?.['lost_job_ids'] as string[];
    const tokens = row?.['lost_lease_tokens'] as string[];
    return new Set(jobs.map((job, index) => leaseTokenOf(job, tokens[index] as string)));
  },
});

/** In SQL a token is that of a claim; here it names the job, too. */
const leaseTokenOf = (jobId: string, token: string): string => `${jobId} ${token}`;

/** For most statements it is all the same whether the server is away or another session is in the way. */
function throwContended(error: unknown): never {
  const cause = error instanceof DomainError ? error.cause : undefined;
  throw isContended(cause) ? new Contended('Another session is in the way.', { cause }) : error;
}

/** Columns of what is reported; one that nobody needs is not sent. */
function valuesOf(reports: readonly Report[]): unknown[] {
  const outcomes = reports.map(({ outcome }) => outcome);
  const columnOf = (name: string, read: (outcome: Outcome) => unknown): unknown[] | null =>
    outcomes.some((outcome) => name in outcome) ? outcomes.map(read) : null;
  return [
    reports.map(({ job }) => job.id),
    reports.map(({ job }) => job.leaseToken.slice(job.id.length + 1)),
    // `retry` is the status `pending` in SQL.
    outcomes.map(({ status }) => (status === 'retry' ? 'pending' : status)),
    columnOf('error', (outcome) => ('error' in outcome ? outcome.error : null)),
    columnOf('backoffSeconds', (outcome) => ('backoffSeconds' in outcome ? outcome.backoffSeconds : null)),
    outcomes.some((outcome) => 'result' in outcome && outcome.result !== null)
      ? outcomes.map((outcome) =>
          'result' in outcome && outcome.result !== null ? JSON.stringify(outcome.result) : null,
        )
      : null,
  ];
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
});
