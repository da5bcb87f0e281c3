import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Kysely, sql } from 'kysely';
import type { Migration, MigrationProvider } from 'kysely/migration';
import { headerOf, isTransactional, runUnwrapped } from './unwrapped-migration.ts';

export interface RoleNames {
  readonly api: string;
  readonly worker: string;
  readonly readonly: string;
}

/** Below the folder of the migrations. */
export const PREPARED = 'rollback';

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
  for (const file of (await readdir(folder)).filter((name) => name !== PREPARED).toSorted()) {
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

/** Whether it says that the release before does not work with the schema after it. */
export const isBreaking = (up: string): boolean =>
  /^(?:none|breaks)\b/i.test(headerOf(up, 'Compatibility') ?? '');

/** The migration that a rollback takes back, if it is one that was prepared. */
export const takenBackBy = (up: string): string | null => headerOf(up, 'Takes back') ?? null;

export interface PreparedFile extends MigrationFile {
  readonly takesBack: string;
}

/**
 * Rollbacks that wait for the day on which a migration has to be taken back in prod (DATA-2): each says in its header which one,
 * `-- Takes back: name`. One that was applied and has moved to the migrations is a migration.
 *
 * @throws Error for one that does not say what it takes back
 */
export async function readPrepared(folder: string): Promise<PreparedFile[]> {
  if (!(await readdir(folder)).includes(PREPARED)) return [];
  return (await readMigrations(path.join(folder, PREPARED))).map((file) => {
    const takesBack = takenBackBy(file.up);
    if (takesBack === null)
      throw new Error(`${PREPARED}/${file.name}: begins with "-- Takes back: " and the name of a migration.`);
    return Object.assign({}, file, { takesBack });
  });
}

/** The newest migration that the code beside this folder was written for. */
export async function latestMigration(folder: string): Promise<string> {
  const latest = (await readMigrations(folder)).at(-1);
  if (!latest) throw new Error(`${folder}: holds no migration.`);
  return latest.name;
}

/** The files as Kysely's migrator wants them. Each step records or removes its checksum, in its own transaction if it has one. */
export const migrationProvider = (files: readonly MigrationFile[]): MigrationProvider => ({
  getMigrations: async () =>
    await Promise.resolve(Object.fromEntries(files.map((file) => [file.name, toMigration(file)]))),
});

const toMigration = ({ name, up, down, checksum }: MigrationFile): Migration => ({
  async up(db) {
    await run(db, up);
    await sql`create table if not exists migration.checksum (name text primary key, sha256 text not null)`.execute(
      db,
    );
    await sql`insert into migration.checksum values (${name}, ${checksum})
              on conflict (name) do update set sha256 = excluded.sha256`.execute(db);
  },
  async down(db) {
    await run(db, down);
    await sql`delete from migration.checksum where name = ${name}`.execute(db);
  },
});

async function run(db: Kysely<unknown>, text: string): Promise<void> {
  if (isTransactional(text)) await sql.raw(text).execute(db);
  else await runUnwrapped(db, text);
}
