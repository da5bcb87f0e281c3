import { hash } from 'node:crypto';
import { dirname } from 'node:path';
import { backupFolder, backupShelf } from '#src/adapters/outbound/backup-folder/folder.ts';
import { postgresAuditTrail } from '#src/adapters/outbound/postgres/audit-trail.ts';
import {
  backupSource,
  restoreTarget,
  serverVersion,
} from '#src/adapters/outbound/postgres/backup-database.ts';
import { dumpPrograms, findDumpPrograms } from '#src/adapters/outbound/postgres/dump-programs.ts';
import { readMigrations, readPrepared } from '#src/adapters/outbound/postgres/migrations.ts';
import { MIGRATIONS_FOLDER } from '#src/adapters/outbound/postgres/migrator.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { type CommandDatabase, withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { verifyAuditLog } from '#src/application/audit/verify.ts';
import { createBackup } from '#src/application/backup/create.ts';
import { keepNewest, removeUnfinished } from '#src/application/backup/keep-newest.ts';
import { type RestoreOptions, restoreBackup, verifyBackup } from '#src/application/backup/restore.ts';
import type { Pool } from 'pg';

interface Place {
  /** The folder of the backup. */
  readonly path: string;
  readonly progress: (text: string) => void;
}

interface Setting extends Place {
  readonly database: Pick<CommandDatabase, 'url' | 'startTimeoutMs'>;
}

/** A dump takes as long as the data. */
const UNLIMITED = { statementTimeoutMs: 0 };

export const backUp = async ({ path, database, progress }: Setting, gitSha: string, signal: AbortSignal) =>
  await withPool({ ...database, ...UNLIMITED }, 'dragonfly-backup', async (pool) => {
    const programs = dumpPrograms(await findDumpPrograms(await serverVersion(pool)), database.url, signal);
    const dependencies = { source: backupSource(pool), programs, folder: backupFolder(path), progress };
    return await createBackup(dependencies, { gitSha, now: new Date() }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
  });

/** Of the folders beside that one. @returns the names of those that are gone */
export const removeUnfinishedBeside = async (path: string): Promise<string[]> =>
  await removeUnfinished(backupShelf(dirname(path)), new Date());

/** Of the backups beside that one. @returns the names of those that are gone */
export const keepNewestBeside = async (path: string, database: string, count: number): Promise<string[]> =>
  await keepNewest(backupShelf(dirname(path)), database, count);

export async function checkBackup({ path, progress }: Place, expect: string | undefined) {
  const programs = dumpPrograms(await findDumpPrograms(), 'postgres://none');
  return await verifyBackup({ folder: backupFolder(path), programs, progress }, expect);
}

export const restore = async (
  { path, database, progress }: Setting,
  options: Omit<RestoreOptions, 'knownMigrations'>,
) =>
  await withPool({ ...database, ...UNLIMITED }, 'dragonfly-restore', async (pool) => {
    const files = [...(await readMigrations(MIGRATIONS_FOLDER)), ...(await readPrepared(MIGRATIONS_FOLDER))];
    const knownMigrations = files.map(({ name }) => name);
    const programs = dumpPrograms(await findDumpPrograms(await serverVersion(pool)), database.url);
    const target = restoreTarget(pool, async (head) => await auditFaults(pool, head));
    const dependencies = { target, programs, folder: backupFolder(path), progress };
    return await restoreBackup(dependencies, { ...options, knownMigrations });
  });

/** What had no seal yet when it was dumped gets one when a process runs again. */
async function auditFaults(pool: Pool, head: string | null): Promise<string[]> {
  const { faults } = await verifyAuditLog(
    {
      trail: postgresAuditTrail(async (statement) => await query(pool, statement)),
      sha256: (text) => hash('sha256', text),
    },
    head ?? undefined,
  );
  return faults
    .filter(({ kind }) => kind !== 'entry_unsealed')
    .map(({ kind, seal }) => `audit log: ${kind}, seal ${seal}`);
}
