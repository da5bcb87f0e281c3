import { schemaObjects } from '#src/adapters/outbound/postgres/catalog.ts';
import { migrateToLatest, migrationStatus } from '#src/adapters/outbound/postgres/migrator.ts';
import { withScratchDatabase } from '#src/adapters/outbound/postgres/scratch-database.ts';
import { verifyDatabaseState } from '#src/adapters/outbound/postgres/verify-state.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { Finding } from '#src/application/checks/finding.ts';
import { compareSchemas } from '#src/application/schema/compare.ts';
import { migrateOptions } from '#src/composition/migrations.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';

interface Options {
  /** Of the migrations only those that the live database has. */
  readonly applied: boolean;
  readonly progress: (text: string) => void;
}

/** The migrations applied to a database that is made for it, beside the live one: same server, same roles. */
export async function checkSchema(
  environment: Environment,
  { applied, progress }: Options,
): Promise<Finding[]> {
  const { migrator } = migrateOptions(environment);
  const { DRAGONFLY_ADMIN_DATABASE_URL: adminUrl } = loadConfig(['scratch'], environment);
  const objectsOf = async (url: string) =>
    await withPool({ url, startTimeoutMs: migrator.startTimeoutMs }, 'dragonfly-schema-check', schemaObjects);
  const newest = applied
    ? ((await migrationStatus(migrator)).findLast(({ appliedAt }) => appliedAt)?.name ?? '')
    : undefined;
  const live = await objectsOf(migrator.databaseUrl);
  progress('applying the migrations to a scratch database');
  const expected = await withScratchDatabase(
    { adminUrl, ownerUrl: migrator.databaseUrl },
    async (databaseUrl) => {
      await migrateToLatest({ ...migrator, databaseUrl }, newest);
      return await objectsOf(databaseUrl);
    },
  );
  return compareSchemas(expected, live);
}

/** Against what was committed with the migrations: docs/database/verify_db_state.sql. */
export async function verifyState(environment: Environment): Promise<Finding[]> {
  const { databaseUrl: url, startTimeoutMs, roles } = migrateOptions(environment).migrator;
  const owner = decodeURIComponent(new URL(url).username);
  return await withPool({ url, startTimeoutMs }, 'dragonfly-verify', async (pool) => {
    return await verifyDatabaseState(pool, { ...roles, owner });
  });
}
