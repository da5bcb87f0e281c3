import { postgresDdlLog } from '#src/adapters/outbound/postgres/ddl-log.ts';
import {
  type MigrateOptions,
  compareMigrations,
  migrationStatus,
} from '#src/adapters/outbound/postgres/migrator.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { relationSizes } from '#src/adapters/outbound/postgres/relation-sizes.ts';
import { roundTrip } from '#src/adapters/outbound/postgres/round-trip.ts';
import { withScratchDatabase } from '#src/adapters/outbound/postgres/scratch-database.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import {
  type MigrationImpact,
  type MigrationStatements,
  impactOf,
} from '#src/application/migrations/impact.ts';
import type { MigrationFacts } from '#src/application/migrations/verify.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { isCheckout, runCheckoutScript } from './cli/checkout-script.ts';

export const LINTER = 'scripts/migrations/main.ts';
const IMPACT = 'scripts/migrations/impact-main.ts';

export function migrateOptions(environment: Environment): {
  readonly env: string;
  readonly migrator: MigrateOptions;
} {
  const config = loadConfig(['migrate'], environment);
  return {
    env: config.DRAGONFLY_ENV,
    migrator: {
      databaseUrl: config.DRAGONFLY_OWNER_DATABASE_URL,
      startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
      lockTimeoutMs: config.DRAGONFLY_MIGRATION_LOCK_TIMEOUT,
      roles: {
        api: config.DRAGONFLY_API_ROLE,
        worker: config.DRAGONFLY_WORKER_ROLE,
        readonly: config.DRAGONFLY_READONLY_ROLE,
      },
    },
  };
}

/** Of the database of an environment, and of the linter where there is one; with `scratch` also of a database that is made for it. */
export async function migrationFacts(
  environment: Environment,
  scratch: boolean,
  progress: (text: string) => void,
): Promise<MigrationFacts> {
  const { migrator } = migrateOptions(environment);
  const admin = scratch ? loadConfig(['scratch'], environment).DRAGONFLY_ADMIN_DATABASE_URL : undefined;
  const compared = await compareMigrations(migrator);
  const linted = isCheckout(LINTER) ? { lintFaults: await lint() } : {};
  if (admin === undefined) return { ...compared, ...linted };
  progress('up, down and up again in a scratch database');
  const ownerUrl = migrator.databaseUrl;
  const tried = await withScratchDatabase({ adminUrl: admin, ownerUrl }, async (databaseUrl) => {
    return await roundTrip({ ...migrator, databaseUrl });
  });
  return { ...compared, ...linted, roundTrip: tried };
}

async function lint(): Promise<string[]> {
  const { output } = await runCheckoutScript(LINTER, ['--json'], true);
  const { faults } = JSON.parse(output) as { faults: { place: string; rule: string; message: string }[] };
  return faults.map(({ place, rule, message }) => `${place}: ${rule}: ${message}`);
}

/**
 * What migrations do to the database of an environment (DEP-2): what their text says, and on how many rows.
 *
 * @param names all that are pending unless said
 * @throws Error outside of a checkout, and for a migration that cannot be parsed
 */
export async function migrationImpact(
  environment: Environment,
  names?: readonly string[],
): Promise<MigrationImpact[]> {
  const { migrator } = migrateOptions(environment);
  const wanted = names ?? (await pendingNames(migrator));
  if (wanted.length === 0) return [];
  const { code, output } = await runCheckoutScript(IMPACT, wanted, true);
  if (code !== 0) throw new Error(`What the migrations do cannot be told: ${IMPACT} ended with ${code}.`);
  const migrations = JSON.parse(output) as MigrationStatements[];
  const relations = migrations.flatMap(({ locks }) => locks.map(({ relation }) => relation));
  const { databaseUrl: url, startTimeoutMs } = migrator;
  const sizes = await withPool({ url, startTimeoutMs }, 'dragonfly-migrate', async (pool) => {
    return await relationSizes(async (statement) => await query(pool, statement), relations);
  });
  return migrations.map((migration) => impactOf(migration, sizes));
}

const pendingNames = async (migrator: MigrateOptions): Promise<string[]> =>
  (await migrationStatus(migrator)).filter(({ appliedAt }) => !appliedAt).map(({ name }) => name);

export async function acknowledgeDirectDdl(
  environment: Environment,
  upTo: string,
  reason: string,
): Promise<number> {
  const { databaseUrl, startTimeoutMs } = migrateOptions(environment).migrator;
  return await withPool({ url: databaseUrl, startTimeoutMs }, 'dragonfly-migrate', async (pool) => {
    const log = postgresDdlLog(async (statement) => await query(pool, statement));
    return await log.acknowledge(upTo, reason);
  });
}
