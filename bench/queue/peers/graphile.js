// graphile-worker as its documentation says for speed: a local queue of 500, outcomes without delay.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { Pool } from 'pg';
import { payloadOf, payloadsOf } from '../engine.ts';

const logger = new Logger(() => () => {});
const TUNED = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

function createPool(connectionString, max) {
  const pool = new Pool({ connectionString, max });
  // graphile-worker asks for handlers of its own.
  return pool.on('error', console.error).on('connect', (client) => client.on('error', console.error));
}

export const engine = {
  async install(databaseUrl) {
    const utils = await makeWorkerUtils({ connectionString: databaseUrl, logger });
    await utils.migrate();
    await utils.release();
  },
  backlog: () => Promise.reject(new Error('Not measured.')),
  /** Finished jobs are gone already. */
  retain: () => Promise.resolve(),
  async unfinished(client) {
    const { rows } = await client.query('select count(*)::float8 as jobs from graphile_worker._private_jobs');
    return rows[0].jobs;
  },
  async connect(databaseUrl, connections) {
    const pgPool = createPool(databaseUrl, connections);
    const utils = await makeWorkerUtils({ pgPool, logger });
    return {
      enqueue: (n) => utils.addJob('t', payloadOf(n)),
      enqueueMany: (from, count, identifier) =>
        utils.addJobs(payloadsOf(from, count).map((payload) => ({ identifier, payload }))),
      async work(types, handle) {
        const workers = createPool(databaseUrl, TUNED.maxPoolSize);
        const taskList = Object.fromEntries(types.map((type) => [type, handle]));
        const runner = await run({
          pgPool: workers,
          logger,
          noHandleSignals: true,
          taskList,
          preset: { worker: TUNED },
        });
        return {
          claims: null,
          async stop() {
            await runner.stop();
            await workers.end();
          },
        };
      },
      async close() {
        await utils.release();
        await pgPool.end();
      },
    };
  },
};
