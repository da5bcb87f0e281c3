import { DomainError } from '#src/domain/errors.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
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
      text: 'select complete_jobs as id from ops.complete_jobs($1)',
      values: [JSON.stringify(reports.map(toOutcomeRow))],
    }).catch(throwContended);
    return new Set(rows.map((row) => row['id'] as string));
  },

  async beat(status, leases) {
    const rows = await query(pool, {
      name: 'worker_beat',
      text: 'select worker_beat as token from ops.worker_beat($1, $2, $3, $4, $5, $6)',
      values: [
        id,
        WORKER_TYPE,
        hostname,
        status,
        deadAfterMs / 1000,
        leases.map(({ leaseToken }) => leaseToken),
      ],
    });
    return { lost: new Set(rows.map((row) => row['token'] as string)), command: 'run' };
  },
});

/** For most statements it is all the same whether the server is away or another session is in the way. */
function throwContended(error: unknown): never {
  const cause = error instanceof DomainError ? error.cause : undefined;
  throw isContended(cause) ? new Contended('Another session is in the way.', { cause }) : error;
}

/** `retry` is the status `pending` in SQL. */
const toOutcomeRow = ({ job, outcome }: Report) => ({
  job_id: job.id,
  lease_token: job.leaseToken,
  status: outcome.status === 'retry' ? 'pending' : outcome.status,
  ...('error' in outcome && { error: outcome.error }),
  ...('backoffSeconds' in outcome && { backoff_seconds: outcome.backoffSeconds }),
  ...('result' in outcome && { result: outcome.result }),
});

const toClaimedJob = (row: Row): ClaimedJob => ({
  id: row['job_id'] as ClaimedJob['id'],
  type: row['job_type'] as ClaimedJob['type'],
  payload: row['payload'] as ClaimedJob['payload'],
  attempt: row['attempts'] as ClaimedJob['attempt'],
  maxAttempts: row['max_attempts'] as ClaimedJob['maxAttempts'],
  leaseToken: row['lease_token'] as ClaimedJob['leaseToken'],
  priority: row['priority'] as ClaimedJob['priority'],
  traceId: row['trace_id'] as ClaimedJob['traceId'],
  organizationId: row['organization_id'] as ClaimedJob['organizationId'],
  options: null,
});
