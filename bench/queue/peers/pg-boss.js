// pg-boss tuned for throughput: batches of 1,000, four fetchers, no wait while batches are full.
import { PgBoss } from 'pg-boss';
import { payloadOf, payloadsOf } from '../engine.ts';

const TUNED = { batchSize: 1000, localConcurrency: 4, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
const QUEUES = ['t', 't1', 't2', 't3'];

async function start(databaseUrl, max) {
  const boss = new PgBoss({ connectionString: databaseUrl, max });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  return boss;
}

export const engine = {
  async install(databaseUrl) {
    const boss = await start(databaseUrl, 2);
    for (const queue of QUEUES) await boss.createQueue(queue);
    await boss.stop();
  },
  backlog: () => Promise.reject(new Error('Not measured.')),
  async retain(databaseUrl) {
    const boss = await start(databaseUrl, 2);
    for (const queue of QUEUES) await boss.deleteStoredJobs(queue);
    await boss.stop();
  },
  async unfinished(client) {
    const { rows } = await client.query(
      "select count(*)::float8 as jobs from pgboss.job where state < 'completed'",
    );
    return rows[0].jobs;
  },
  async connect(databaseUrl, connections) {
    const boss = await start(databaseUrl, Math.max(connections, 10));
    return {
      enqueue: (n) => boss.send('t', payloadOf(n)),
      enqueueMany: (from, count, type) =>
        boss.insert(
          type,
          payloadsOf(from, count).map((data) => ({ data })),
        ),
      async work(types, handle) {
        const handleAll = async (jobs) => {
          for (const { data } of jobs) await handle(data);
        };
        for (const type of types) await boss.work(type, TUNED, handleAll);
        return {
          claims: null,
          async stop() {
            for (const type of types) await boss.offWork(type, { wait: true });
          },
        };
      },
      close: () => boss.stop({ graceful: true }),
    };
  },
};
