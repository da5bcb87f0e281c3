import type { Client } from 'pg';
import { postgresQueueStore } from '../../../src/adapters/outbound/postgres/queue-store.ts';
import { sqlOf, withContext } from '../../../src/adapters/outbound/postgres/statement.ts';
import { JOB_STATUSES } from '../../../src/domain/jobs/job.ts';
import type { QueueStore } from '../../../src/application/queue/ports.ts';
import type { Statement } from '../../../src/application/transactions.ts';
import { median } from '../../report.ts';
import { TYPE } from '../engine.ts';
import type { Measure } from './measure.ts';

type Depth = (volume: Parameters<Measure>[2]) => number;

const CLAIMS = 9;

/** Buffers that a claim of 100 touches in front of so many ready jobs; the plan is measured, not the time. */
export const claimBuffers =
  (backlog: Depth): Measure =>
  async (bench, name, volume) =>
    await bench.withDatabase(name, async ({ url, engine, client }) => {
      await engine.backlog(url, { kind: 'ready', count: backlog(volume) });
      const buffers: number[] = [];
      for (let claim = 0; claim < CLAIMS; claim += 1) {
        buffers.push(
          await buffersOf(client, `select * from ops.claim_jobs('{${TYPE}}', 100, 30, 'bench')`, []),
        );
      }
      return median(buffers);
    });

/** Of an organisation that has so many jobs: one by its id, a page of all, of a type and of each status, the figures. */
const READS: readonly ((store: QueueStore, id: string) => Statement<unknown>)[] = [
  (store, id) => store.findJob(id),
  (store) => store.listJobs({}, undefined, 100),
  (store) => store.listJobs({ type: TYPE }, undefined, 100),
  ...JOB_STATUSES.map((status) => (store: QueueStore) => store.listJobs({ status }, undefined, 100)),
  (store) => store.listQueues(),
];
/** Of the first two thousand jobs these many each end in one of these ways, and as many are being worked on. */
const ENDS = ['completed', 'failed', 'pending'];
const OF_EACH = 500;
const WORK = `select count(*) from ops.claim_jobs($1, $2, 30, 'bench')`;
const END = `
  select count(*) from (
    select array_agg(job_id) as ids, array_agg(lease_token) as tokens, array_agg($3::text) as statuses, array_agg(3600::double precision) as backoffs
      from ops.claim_jobs($1, $2, 30, 'bench')) claimed,
    ops.complete_jobs(ids, tokens, statuses, null, backoffs)`;
const CONTEXT = {
  traceId: '0'.repeat(32),
  organizationId: '00000000-0000-7000-8000-000000000001',
  actor: 'bench',
};

/** Buffers that these touch together. */
export const readBuffers =
  (backlog: Depth): Measure =>
  async (bench, name, volume) =>
    await bench.withDatabase(name, async ({ url, engine, client }) => {
      const own = new URL(url);
      own.searchParams.set('options', `-c ops.organization_id=${CONTEXT.organizationId}`);
      await engine.backlog(own.href, { kind: 'ready', count: backlog(volume) });
      await client.query(WORK, [`{${TYPE}}`, OF_EACH]);
      for (const status of ENDS) await client.query(END, [`{${TYPE}}`, OF_EACH, status]);
      const { rows } = await client.query<{ id: string }>('select job_ids[1] as id from ops.ready limit 1');
      let buffers = 0;
      for (const read of READS) {
        const { text, values } = withContext(sqlOf(read(postgresQueueStore, rows[0]?.id ?? '')), CONTEXT);
        await client.query(text, [...values]); // makes the plan, which reads the catalogue
        buffers += await buffersOf(client, text, values);
      }
      return buffers;
    });

async function buffersOf(client: Client, text: string, values: readonly unknown[]): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Readonly<Record<string, number>> }] }>(
    `explain (analyze, buffers, timing off, format json) ${text}`,
    [...values],
  );
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  return (plan?.['Shared Hit Blocks'] ?? 0) + (plan?.['Shared Read Blocks'] ?? 0);
}
