import { latestMigration } from '#src/adapters/outbound/postgres/migrations.ts';
import { MIGRATIONS_FOLDER } from '#src/adapters/outbound/postgres/migrator.ts';
import { type PoolOptions, createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresCheck } from '#src/adapters/outbound/postgres/readiness.ts';
import { untilItAnswers } from '#src/adapters/outbound/postgres/until-it-answers.ts';
import { type Wake, createWaker } from '#src/adapters/outbound/postgres/wake.ts';
import type { Secret } from '#src/config/secrets.ts';
import type { Pool } from 'pg';
import type { Base, ServingConfig } from './base.ts';

export interface Database {
  readonly pool: Pool;
  /** For what was committed by way of the pool. */
  readonly wake: Wake;
  close(): Promise<void>;
}

/**
 * The pool of one role, once PostgreSQL answers (AV-8), with its place in readiness.
 *
 * @throws DomainError `database_unavailable` after DRAGONFLY_START_TIMEOUT
 */
export async function openDatabase(
  config: ServingConfig,
  url: Secret<string>,
  role: string,
  base: Base,
): Promise<Database> {
  const options = {
    url: url.current(),
    applicationName: `dragonfly-${role}`,
    acquireTimeoutMs: config.DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT,
    statementTimeoutMs: config.DRAGONFLY_DATABASE_STATEMENT_TIMEOUT,
    throughPooler: config.DRAGONFLY_DATABASE_POOLER === 'transaction',
    onIdleError: (error) => {
      base.logger.debug({ error }, 'idle database connection lost');
    },
  } satisfies Partial<PoolOptions>;
  const pool = createPool({ ...options, max: config.DRAGONFLY_DATABASE_POOL_MAX });
  // Readiness waits behind no request: a probe that is late under load would take away what serves it.
  const probing = createPool({ ...options, max: 1 });
  url.onChange(async (next) => {
    await Promise.all([pool.renew(next), probing.renew(next)]);
  });
  base.pools.set(role, pool);
  base.checks.push(postgresCheck(probing, await latestMigration(MIGRATIONS_FOLDER)));
  await untilItAnswers(pool, config.DRAGONFLY_START_TIMEOUT);
  const waker = createWaker({
    send: async (statement) => await query(pool, statement),
    onError(error, again) {
      base.noteWakeError();
      base.logger[again ? 'debug' : 'warn'](
        { error },
        'idle workers not told of new jobs: they find them by polling',
      );
    },
    onRecovery() {
      base.logger.warn('idle workers told of new jobs again');
    },
  });
  return {
    pool,
    wake: waker.wake,
    async close() {
      await waker.stop();
      await Promise.all([pool.end(), probing.end()]);
    },
  };
}
