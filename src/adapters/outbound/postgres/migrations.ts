import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Kysely, sql } from 'kysely';
import type { Migration, MigrationProvider } from 'kysely/migration';

export interface RoleNames {
  readonly api: string;
  readonly worker: string;
  readonly readonly: string;
}

const FILE = /^(?<name>\d{14}_[a-z0-9_]+)\.(?<direction>up|down)\.sql$/;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export interface MigrationFile {
  readonly name: string;
  readonly up: string;
  readonly down: string;
  /** Of both directions. */
  readonly checksum: string;
}

/** @throws Error for a name that is not `{yyyyMMddHHmmss}_{description}`, or a migration without both directions */
export async function readMigrations(folder: string): Promise<MigrationFile[]> {
  const texts = new Map<string, { up?: string; down?: string }>();
  for (const file of (await readdir(folder)).toSorted()) {
    const { name, direction } = FILE.exec(file)?.groups ?? {};
    if (!name)
      throw new Error(`${file}: a migration is named {yyyyMMddHHmmss}_{description}.up.sql or .down.sql.`);
    const text = await readFile(path.join(folder, file), 'utf8');
    texts.set(name, { ...texts.get(name), [direction === 'up' ? 'up' : 'down']: text });
  }
  return [...texts].map(([name, { up, down }]) => {
    if (up === undefined || down === undefined)
      throw new Error(`${name}: needs both an .up.sql and a .down.sql file.`);
    return { name, up, down, checksum: sha256(`${up}\0${down}`) };
  });
}

/** The newest migration that the code beside this folder was written for. */
export async function latestMigration(folder: string): Promise<string> {
  const latest = (await readMigrations(folder)).at(-1);
  if (!latest) throw new Error(`${folder}: holds no migration.`);
  return latest.name;
}

/**
 * The files as Kysely's migrator wants them. Each step records or removes its checksum in its own transaction and
 * knows the role names as settings, so that the SQL can grant to them.
 */
export const migrationProvider = (files: readonly MigrationFile[], roles: RoleNames): MigrationProvider => ({
  getMigrations: async () =>
    await Promise.resolve(Object.fromEntries(files.map((file) => [file.name, toMigration(file, roles)]))),
});

const toMigration = ({ name, up, down, checksum }: MigrationFile, roles: RoleNames): Migration => ({
  async up(db) {
    await setRoles(db, roles);
    await sql.raw(up).execute(db);
    await sql`create table if not exists migration.checksum (name text primary key, sha256 text not null)`.execute(
      db,
    );
    await sql`insert into migration.checksum values (${name}, ${checksum})`.execute(db);
  },
  async down(db) {
    await setRoles(db, roles);
    await sql.raw(down).execute(db);
    await sql`delete from migration.checksum where name = ${name}`.execute(db);
  },
});

const setRoles = async (db: Kysely<unknown>, { api, worker, readonly }: RoleNames) =>
  await sql`select set_config('dragonfly.api_role', ${api}, true), set_config('dragonfly.worker_role', ${worker}, true),
                   set_config('dragonfly.readonly_role', ${readonly}, true)`.execute(db);

/** DATA-2: @throws Error that names each applied migration whose file has changed since, or is not there */
export async function refuseDrift(db: Kysely<unknown>, files: readonly MigrationFile[]): Promise<void> {
  const known = await sql<{
    exists: boolean;
  }>`select to_regclass('migration.checksum') is not null as exists`.execute(db);
  if (!known.rows[0]?.exists) return;
  const applied = await sql<{
    name: string;
    sha256: string;
  }>`select name, sha256 from migration.checksum`.execute(db);
  const checksums = new Map(applied.rows.map((row) => [row.name, row.sha256]));
  const unknown = [...checksums.keys()].filter((applied) => !files.some(({ name }) => name === applied));
  if (unknown.length > 0) {
    throw new Error(
      `The database has migrations that this build does not know: ${unknown.join(', ')}. Run a build that has them.`,
    );
  }
  const edited = files.filter(
    ({ name, checksum }) => checksums.has(name) && checksums.get(name) !== checksum,
  );
  if (edited.length === 0) return;
  throw new Error(
    `Applied migrations must not change: ${edited.map(({ name }) => name).join(', ')}. Restore the file and write a new migration.`,
  );
}
