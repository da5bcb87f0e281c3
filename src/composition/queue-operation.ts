import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueOperation } from '#src/adapters/outbound/postgres/queue-operation.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { QueueOperation } from '#src/application/queue/operation.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';

/** What an operator does to workers and queues, as the owner of the schema. */
export async function operate<T>(
  environment: Environment,
  work: (operation: QueueOperation) => Promise<T>,
): Promise<T> {
  const { DRAGONFLY_OWNER_DATABASE_URL: url, DRAGONFLY_START_TIMEOUT: startTimeoutMs } = loadConfig(
    ['workers'],
    environment,
  );
  return await withPool(
    { url, startTimeoutMs },
    'dragonfly-workers',
    async (pool) => await work(postgresQueueOperation(async (statement) => await query(pool, statement))),
  );
}
