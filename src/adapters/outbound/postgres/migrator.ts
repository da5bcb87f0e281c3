import type { MigrationFacts } from '#src/application/migrations/verify.ts';
import type { Kysely } from 'kysely';
import { type MigrationResultSet, Migrator } from 'kysely/migration';
import { migrationDrift, refuseDrift } from './migration-drift.ts';
import { MIGRATIONS_FOLDER, type MigrateOptions, inLockedSession, inSession } from './migration-session.ts';
import { type MigrationFile, migrationProvider, readPrepared } from './migrations.ts';
import { isTransactional } from './unwrapped-migration.ts';

export { MIGRATIONS_FOLDER, type MigrateOptions } from './migration-session.ts';

/**
 * Applies what is pending, under a lock: a second runner waits and finds nothing to do. Migrations that follow one another
 * are one transaction, all of them or none; one that is declared to have no transaction stands alone between them.
 *
 * @param newest the last one to apply; all without it
 * @throws Error for an edited, unknown or failing migration, and for a lock that is not to be had
 */
export const migrateToLatest = async (
  options: MigrateOptions,
  newest = '~',
): Promise<{ applied: string[] }> =>
  await inLockedSession(options, async (session, files) => {
    const pending = await pendingOf(session, files);
    return await applyAll(
      session,
      files,
      pending.filter(({ name }) => name <= newest),
    );
  });

/** Applies rollbacks that were prepared (DATA-2), and nothing else that is pending. */
export const applyPrepared = async (
  options: MigrateOptions,
  names: readonly string[],
): Promise<{ applied: string[] }> =>
  await inLockedSession(options, async (session, files) => {
    const isPending = new Set((await pendingOf(session, files)).map(({ name }) => name));
    const applied = files.filter(({ name }) => !isPending.has(name));
    const known = new Set(applied.map(({ name }) => name));
    const prepared = (await readPrepared(options.folder ?? MIGRATIONS_FOLDER)).filter(
      ({ name }) => names.includes(name) && !known.has(name),
    );
    return await applyAll(session, [...applied, ...prepared], prepared);
  });

/** @param pending of all `files` those that are to be applied, the last ones */
async function applyAll(
  session: Kysely<unknown>,
  files: readonly MigrationFile[],
  pending: readonly MigrationFile[],
): Promise<{ applied: string[] }> {
  const applied: string[] = [];
  for (const batch of batchesOf(pending)) {
    const results = await migratorOf(session, files).migrateTo(batch.names.at(-1) ?? '', {
      disableTransactions: !batch.transactional,
    });
    applied.push(...namesOf(results, batch.transactional, applied));
  }
  return { applied };
}

/** Takes the newest migration back: for dev, and to prove that up → down → up changes nothing (DATA-2, DATA-3). */
export const migrateDown = async (options: MigrateOptions): Promise<{ reverted: string[] }> =>
  await inLockedSession(options, async (session, files) => {
    const migrator = migratorOf(session, files);
    const newest = (await migrator.getMigrations()).findLast(({ executedAt }) => executedAt !== undefined);
    const down = files.find(({ name }) => name === newest?.name)?.down ?? '';
    const transactional = isTransactional(down);
    const results = await migrator.migrateDown({ disableTransactions: !transactional });
    return { reverted: namesOf(results, transactional) };
  });

export interface MigrationStatus {
  readonly name: string;
  readonly appliedAt: Date | undefined;
}

export const migrationStatus = async (options: MigrateOptions): Promise<MigrationStatus[]> =>
  await inSession(options, async (session, files) => await statusOf(session, files));

export interface MigrationBatch {
  /** All of them or none. */
  readonly transactional: boolean;
  readonly names: readonly string[];
}

/** What `migrateToLatest` would do now. */
export const migrationPlan = async (options: MigrateOptions): Promise<MigrationBatch[]> =>
  await inSession(options, async (session, files) => {
    await refuseDrift(session, files);
    return batchesOf(await pendingOf(session, files));
  });

/** How the files and the database go together. */
export const compareMigrations = async (
  options: MigrateOptions,
): Promise<Pick<MigrationFacts, 'unknown' | 'edited' | 'pending' | 'skipped'>> =>
  await inSession(options, async (session, files) => {
    const status = await statusOf(session, files);
    const pending = status.filter(({ appliedAt }) => !appliedAt).map(({ name }) => name);
    const newest = status.findLast(({ appliedAt }) => appliedAt)?.name ?? '';
    const skipped = pending.filter((name) => name < newest);
    return { ...(await migrationDrift(session, files)), pending, skipped };
  });

const statusOf = async (
  session: Kysely<unknown>,
  files: readonly MigrationFile[],
): Promise<MigrationStatus[]> =>
  (await migratorOf(session, files).getMigrations()).map(({ name, executedAt }) => ({
    name,
    appliedAt: executedAt,
  }));

async function pendingOf(
  session: Kysely<unknown>,
  files: readonly MigrationFile[],
): Promise<MigrationFile[]> {
  const status = await statusOf(session, files);
  const pending = new Set(status.filter(({ appliedAt }) => !appliedAt).map(({ name }) => name));
  return files.filter(({ name }) => pending.has(name));
}

function batchesOf(pending: readonly MigrationFile[]): MigrationBatch[] {
  const batches: { transactional: boolean; names: string[] }[] = [];
  for (const { name, up } of pending) {
    const transactional = isTransactional(up);
    const last = batches.at(-1);
    if (transactional && last?.transactional) last.names.push(name);
    else batches.push({ transactional, names: [name] });
  }
  return batches;
}

const migratorOf = (db: Kysely<unknown>, files: readonly MigrationFile[]): Migrator =>
  new Migrator({
    db,
    provider: migrationProvider(files),
    migrationTableSchema: 'migration',
    migrationTableName: 'applied',
    migrationLockTableName: 'lock',
  });

function namesOf(
  { error, results }: MigrationResultSet,
  transactional: boolean,
  before: readonly string[] = [],
): string[] {
  if (error === undefined) return (results ?? []).map(({ migrationName }) => migrationName);
  const failed = results?.find(({ status }) => status === 'Error')?.migrationName;
  const kept = before.length > 0 ? ` Applied before it: ${before.join(', ')}.` : '';
  throw new Error(
    !failed
      ? 'Migrating failed.'
      : transactional
        ? `Migration ${failed} failed; nothing of its transaction was kept.${kept}`
        : `Migration ${failed} failed half-way; it has no transaction. Mend what it says and run it again, it goes on.${kept}`,
    { cause: error },
  );
}
