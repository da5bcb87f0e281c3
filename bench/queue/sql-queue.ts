import { Client, Pool } from 'pg';
import { type Payload, type Queue, TYPE, payloadOf, payloadsOf } from './engine.ts';
import { startLeanWorker } from './lean-worker.ts';

/** How a queue of SQL functions claims and reports. */
export interface SqlQueue {
  /** $1 types, $2 limit, $3 worker; has a column `payload`. */
  readonly claim: string;
  readonly complete: string;
  /** The parameters of `complete`, for jobs that all ended alike. */
  reportOf(jobs: readonly Claimed[], status: 'completed' | 'retry' | 'released'): unknown[];
}

/** A row of `claim`; what else is in it only `reportOf` knows. */
export type Claimed = Readonly<Record<string, unknown>> & { readonly payload: Payload };

const CHANNEL = 'ops_job_ready';
/** Of the advisory lock that idle workers hold. */
const IDLE = '5525, 0';

/** An array's text form, of values that need no quotes. */
export const arrayOf = (values: readonly unknown[]): string => `{${values.join(',')}}`;

export async function connectSqlQueue(
  databaseUrl: string,
  connections: number,
  { claim, complete, reportOf }: SqlQueue,
): Promise<Queue> {
  const pool = new Pool({ connectionString: databaseUrl, max: connections });
  const [claimer, reporter, listener] = await Promise.all(
    Array.from({ length: 3 }, () => connected(databaseUrl)),
  );
  if (!claimer || !reporter || !listener) throw new Error('No connection.');
  const worker = `bench-${process.pid}`;

  return {
    async enqueue(n) {
      const values = [TYPE, JSON.stringify(payloadOf(n))];
      await pool.query({ name: 'one', text: 'select ops.queue_job($1, $2)', values });
    },
    async enqueueMany(from, count, type) {
      const jobs = payloadsOf(from, count).map((payload) => ({ type, payload }));
      await pool.query({
        name: 'many',
        text: 'select from ops.queue_jobs($1)',
        values: [JSON.stringify(jobs)],
      });
    },
    async work(types, handle) {
      const working = startLeanWorker<Claimed>(
        {
          async claim(limit) {
            const values = [types, limit, worker];
            const { rows } = await claimer.query<Claimed>({ name: 'claim', text: claim, values });
            return rows;
          },
          async setIdle(idle) {
            await listener.query(`select pg_advisory_${idle ? 'lock' : 'unlock'}_shared(${IDLE})`);
          },
          async complete(jobs) {
            await reporter.query({ name: 'complete', text: complete, values: reportOf(jobs, 'completed') });
          },
        },
        handle,
      );
      listener.on('notification', working.wake);
      await listener.query(`listen ${CHANNEL}`);
      return {
        claims: working.claims,
        async stop() {
          listener.removeAllListeners('notification');
          await working.stop();
        },
      };
    },
    async close() {
      await Promise.all([pool, claimer, reporter, listener].map((one) => one.end()));
    },
  };
}

async function connected(databaseUrl: string): Promise<Client> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  return client;
}
