import { fileURLToPath } from 'node:url';
import { Kysely, PostgresDialect } from 'kysely';
import { type MigrationResultSet, Migrator } from 'kysely/migration';
import { type RoleNames, migrationProvider, readMigrations, refuseDrift } from './migrations.ts';
import { withPool } from './with-pool.ts';

export interface MigrateOptions {
  /** As the owner of the schema. */
  readonly databaseUrl: string;
  /** How long to wait for the server. */
  readonly startTimeoutMs?: number | undefined;
  readonly roles: RoleNames;
  readonly folder?: string;
}

export interface MigrationStatus {
  readonly name: string;
  readonly appliedAt: Date | undefined;
}

/** Beside `src` and beside `dist`. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../../migrations', import.meta.url));

/**
 * Applies what is pending, each migration in a transaction, under a lock: a second runner waits and finds nothing to do.
 *
 * @throws Error for an edited, unknown or failing migration
 */
export const migrateToLatest = async (options: MigrateOptions): Promise<{ applied: string[] }> =>
  await withMigrator(options, async (migrator) => ({ applied: namesOf(await migrator.migrateToLatest()) }));

/** Takes the newest migration back: for dev, and to prove that up → down → up changes nothing (DATA-2, DATA-3). */
export const migrateDown = async (options: MigrateOptions): Promise<{ reverted: string[] }> =>
  await withMigrator(options, async (migrator) => ({ reverted: namesOf(await migrator.migrateDown()) }));

export const migrationStatus = async (options: MigrateOptions): Promise<MigrationStatus[]> =>
  await withMigrator(options, async (migrator) =>
    (await migrator.getMigrations()).map(({ name, executedAt }) => ({ name, appliedAt: executedAt })),
  );

async function withMigrator<T>(
  options: MigrateOptions,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  const { databaseUrl, startTimeoutMs, roles, folder = MIGRATIONS_FOLDER } = options;
  const files = await readMigrations(folder);
  // No limit: a migration takes as long as its data, and a second runner waits for the first.
  const database = { url: databaseUrl, startTimeoutMs, statementTimeoutMs: 0 };
  return await withPool(database, 'dragonfly-migrate', async (pool) => {
    const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
    await refuseDrift(db, files);
    return await work(
      new Migrator({
        db,
        provider: migrationProvider(files, roles),
        migrationTableSchema: 'migration',
        migrationTableName: 'applied',
        migrationLockTableName: 'lock',
      }),
    );
  });
}

function namesOf({ error, results }: MigrationResultSet): string[] {
  const failed = results?.find(({ status }) => status === 'Error');
  if (error !== undefined) {
    throw new Error(
      failed ? `Migration ${failed.migrationName} failed; nothing of it was kept.` : 'Migrating failed.',
      {
        cause: error,
      },
    );
  }
  return (results ?? []).map(({ migrationName }) => migrationName);
}
