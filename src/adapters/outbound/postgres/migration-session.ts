import { fileURLToPath } from 'node:url';
import { Kysely, PostgresAdapter, PostgresDialect, sql } from 'kysely';
import type { Pool, PoolClient } from 'pg';
import { refuseDrift } from './migration-drift.ts';
import { withMigrationLock } from './migration-lock.ts';
import { type MigrationFile, type RoleNames, readMigrations, readPrepared } from './migrations.ts';
import { withPool } from './with-pool.ts';

export interface MigrateOptions {
  /** As the owner of the schema. */
  readonly databaseUrl: string;
  /** How long to wait for the server. */
  readonly startTimeoutMs?: number | undefined;
  /** How long to wait for another runner. */
  readonly lockTimeoutMs?: number | undefined;
  readonly roles: RoleNames;
  readonly folder?: string;
}

/** Beside `src` and beside `dist`. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../../migrations', import.meta.url));
const LOCK_TIMEOUT_MS = 300_000;

/** On one connection, which is closed afterwards. A prepared rollback is among the files once it is applied. */
type Work<T> = (session: Kysely<unknown>, files: readonly MigrationFile[]) => Promise<T>;

export async function inSession<T>(options: MigrateOptions, work: Work<T>): Promise<T> {
  const { databaseUrl, startTimeoutMs, folder = MIGRATIONS_FOLDER } = options;
  const [migrations, prepared] = [await readMigrations(folder), await readPrepared(folder)];
  const database = { url: databaseUrl, startTimeoutMs, statementTimeoutMs: 0, throughPooler: true };
  return await withPool(database, 'dragonfly-migrate', async (pool) => {
    await refusePooler(pool);
    const db = new Kysely<unknown>({ dialect: new UnlockedDialect({ pool }) });
    return await db.connection().execute(async (session) => {
      const applied = prepared.length === 0 ? [] : await appliedNames(session);
      const files = [...migrations, ...prepared.filter(({ name }) => applied.includes(name))];
      return await work(session, files.toSorted(byName));
    });
  });
}

const byName = (a: MigrationFile, b: MigrationFile): number => (a.name < b.name ? -1 : 1);

async function appliedNames(session: Kysely<unknown>): Promise<string[]> {
  const { rows: known } = await sql<{
    exists: boolean;
  }>`select to_regclass('migration.applied') is not null as exists`.execute(session);
  if (!known[0]?.exists) return [];
  const { rows } = await sql<{ name: string }>`select name from migration.applied`.execute(session);
  return rows.map(({ name }) => name);
}

/** While no other runner is at work, and with what a migration may rely on. */
export const inLockedSession = async <T>(options: MigrateOptions, work: Work<T>): Promise<T> =>
  await inSession(options, async (session, files) => {
    return await withMigrationLock(session, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS, async () => {
      await refuseDrift(session, files);
      const { api, worker, readonly } = options.roles;
      // The roles, so that the SQL can grant to them. No limit: a migration takes as long as its data.
      await sql`select set_config('dragonfly.api_role', ${api}, false), set_config('dragonfly.worker_role', ${worker}, false),
                       set_config('dragonfly.readonly_role', ${readonly}, false), set_config('statement_timeout', '0', false),
                       set_config('idle_in_transaction_session_timeout', '0', false)`.execute(session);
      return await work(session, files);
    });
  });

/** The lock is of the session, and behind a pooler there is none: it invents the process that it tells its clients of. */
async function refusePooler(pool: Pool): Promise<void> {
  const client = (await pool.connect()) as PoolClient & { readonly processID: number };
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    if (rows[0]?.pid === client.processID) return;
  } finally {
    client.release();
  }
  throw new Error(
    'Migrations need a direct connection, and this one goes through a pooler: let DRAGONFLY_OWNER_DATABASE_URL lead to PostgreSQL itself.',
  );
}

/** Kysely's own lock waits within a statement. */
class UnlockedAdapter extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

class UnlockedDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new UnlockedAdapter();
  }
}
