import { latestMigration } from '#src/adapters/outbound/postgres/migrations.ts';
import { MIGRATIONS_FOLDER } from '#src/adapters/outbound/postgres/migrator.ts';
import { createPool } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresCheck } from '#src/adapters/outbound/postgres/readiness.ts';
import { untilItAnswers } from '#src/adapters/outbound/postgres/until-it-answers.ts';
import type { Pool } from 'pg';
import type { Base, ServingConfig } from './base.ts';

/**
 * The pool of one role, once PostgreSQL answers (AV-8), with its place in readiness.
 *
 * @throws DomainError `database_unavailable` after DRAGONFLY_START_TIMEOUT
 */
export async function openDatabase(
  config: ServingConfig,
  url: string,
  role: string,
  base: Base,
): Promise<Pool> {
  const pool = createPool({
    url,
    applicationName: `dragonfly-${role}`,
    max: config.DRAGONFLY_DATABASE_POOL_MAX,
    acquireTimeoutMs: config.DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT,
    statementTimeoutMs: config.DRAGONFLY_DATABASE_STATEMENT_TIMEOUT,
    throughPooler: config.DRAGONFLY_DATABASE_POOLER === 'transaction',
    onIdleError: (error) => {
      base.logger.debug({ error }, 'idle database connection lost');
    },
  });
  base.pools.set(role, pool);
  base.checks.push(postgresCheck(pool, await latestMigration(MIGRATIONS_FOLDER)));
  await untilItAnswers(pool, config.DRAGONFLY_START_TIMEOUT);
  return pool;
}
