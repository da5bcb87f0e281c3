import type { RequestContext } from '#src/application/context.ts';
import { acceptJob } from '#src/application/jobs/accept-job.ts';
import type { JobRegistry } from '#src/application/jobs/registry.ts';
import type { QueuedJob } from '#src/application/queue/ports.ts';
import type { JobRequest } from '#src/domain/jobs/job.ts';
import { CompiledQuery, type Transaction } from 'kysely';
import type { ClientBase } from 'pg';
import type { Row } from './pool.ts';
import { queueJobsStatement } from './queue-store.ts';

/** Runs a statement in a transaction that somebody else began and ends. */
export type RunInTransaction = (text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

export const inPgTransaction =
  (client: ClientBase): RunInTransaction =>
  async (text, values) =>
    (await client.query<Row>(text, [...values])).rows;

export const inKyselyTransaction =
  <DB>(transaction: Transaction<DB>): RunInTransaction =>
  async (text, values) =>
    (await transaction.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows;

/**
 * Queues jobs in the caller's own transaction, with whatever else it writes: they run if it commits, and never were if it
 * rolls back. One round trip. The connection's role has to be one that may queue, such as the api's or the worker's. Sets the
 * transaction's `ops.trace_id`, `ops.organization_id` and `ops.actor`.
 *
 * @returns in the order of the requests
 * @throws DomainError `job_type_unknown`, `payload_invalid` before anything is sent; what `pg` throws otherwise
 */
export async function queueInTransaction(
  run: RunInTransaction,
  registry: JobRegistry,
  { traceId, organizationId, actor }: RequestContext,
  requests: readonly JobRequest[],
): Promise<QueuedJob[]> {
  const jobs = requests.map((request, index) => acceptJob(registry, request, `/${index}`));
  const { text, values, read } = queueJobsStatement(jobs);
  const [row] = await run(text, [...values, traceId, organizationId, actor]);
  return read(row?.['value']);
}
