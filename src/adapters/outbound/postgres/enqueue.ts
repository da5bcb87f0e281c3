import type { RequestContext } from '#src/application/context.ts';
import { acceptJob } from '#src/application/jobs/accept-job.ts';
import type { JobRegistry } from '#src/application/jobs/registry.ts';
import type { QueuedJob } from '#src/application/queue/ports.ts';
import type { JobRequest } from '#src/domain/jobs/job.ts';
import { CompiledQuery, type Kysely } from 'kysely';
import type { ClientBase } from 'pg';
import type { Row } from './pool.ts';
import { queueJobsStatement } from './queue-store.ts';
import { wakeStatement } from './wake.ts';

/** Runs a statement in the transaction of the connection, if one is open, or as one of its own. */
export type RunStatement = (text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

export const withPg =
  (client: ClientBase): RunStatement =>
  async (text, values) =>
    (await client.query<Row>(text, [...values])).rows;

/** @param database or one of its transactions */
export const withKysely =
  <DB>(database: Kysely<DB>): RunStatement =>
  async (text, values) =>
    (await database.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows;

/**
 * Queues jobs in the caller's own transaction, with whatever else it writes: they run if it commits, and never were if it
 * rolls back. One round trip. The connection's role has to be one that may queue, such as the api's or the worker's. Sets the
 * transaction's `ops.trace_id`, `ops.organization_id` and `ops.actor`. When it has committed, `wakeWorkers` saves the jobs the
 * wait for the next poll of an idle worker, which the commit itself only does if no other one was about to.
 *
 * @returns in the order of the requests
 * @throws DomainError `job_type_unknown`, `payload_invalid` before anything is sent; what `pg` throws otherwise
 */
export async function queueInTransaction(
  run: RunStatement,
  registry: JobRegistry,
  { traceId, organizationId, actor }: RequestContext,
  requests: readonly JobRequest[],
): Promise<QueuedJob[]> {
  const jobs = requests.map((request, index) => acceptJob(registry, request, `/${index}`));
  const { text, values, read } = queueJobsStatement(jobs);
  const [row] = await run(text, [...values, traceId, organizationId, actor]);
  return read(row?.['value']);
}

/**
 * Has idle workers look for what was queued, after its commit and outside of any transaction: one that notifies makes all others
 * wait that do, until it ends. Whoever queues often leaves that to a `createWaker`.
 */
export async function wakeWorkers(run: RunStatement, requests: readonly JobRequest[]): Promise<void> {
  const { text, values } = wakeStatement([...new Set(requests.map(({ type }) => type))]);
  await run(text, values);
}
