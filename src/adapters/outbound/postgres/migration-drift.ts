import { type Kysely, sql } from 'kysely';
import type { MigrationFile } from './migrations.ts';

export interface MigrationDrift {
  /** Applied, and not among the files. */
  readonly unknown: readonly string[];
  /** Applied, and changed since. */
  readonly edited: readonly string[];
}

export async function migrationDrift(
  db: Kysely<unknown>,
  files: readonly MigrationFile[],
): Promise<MigrationDrift> {
  const { rows: known } = await sql<{
    exists: boolean;
  }>`select to_regclass('migration.checksum') is not null as exists`.execute(db);
  if (!known[0]?.exists) return { unknown: [], edited: [] };
  // Without a transaction the checksum is there a moment before its migration counts as applied.
  const { rows: applied } = await sql<{
    name: string;
    sha256: string | null;
  }>`select a.name, c.sha256 from migration.applied a left join migration.checksum c on c.name = a.name order by a.name`.execute(
    db,
  );
  const checksums = new Map(files.map(({ name, checksum }) => [name, checksum]));
  return {
    unknown: applied.filter(({ name }) => !checksums.has(name)).map(({ name }) => name),
    edited: applied
      .filter(({ name, sha256 }) => checksums.has(name) && checksums.get(name) !== sha256)
      .map(({ name }) => name),
  };
}

/** DATA-2: @throws Error that names each applied migration whose file has changed since, or is not there */
export async function refuseDrift(db: Kysely<unknown>, files: readonly MigrationFile[]): Promise<void> {
  const { unknown, edited } = await migrationDrift(db, files);
  if (unknown.length > 0) {
    throw new Error(
      `The database has migrations that this build does not know: ${unknown.join(', ')}. Run a build that has them.`,
    );
  }
  if (edited.length > 0) {
    throw new Error(
      `Applied migrations must not change: ${edited.join(', ')}. Restore the file and write a new migration.`,
    );
  }
}
