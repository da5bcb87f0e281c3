import type { AppliedMigration, Migrations } from '#src/application/release/ports.ts';
import { isBreaking, readMigrations, readPrepared, takenBackBy } from './migrations.ts';
import {
  MIGRATIONS_FOLDER,
  type MigrateOptions,
  applyPrepared,
  compareMigrations,
  migrateDown,
  migrateToLatest,
  migrationStatus,
} from './migrator.ts';

export function releaseMigrations(options: MigrateOptions): Migrations {
  const folder = options.folder ?? MIGRATIONS_FOLDER;
  async function applied(): Promise<AppliedMigration[]> {
    const { unknown } = await compareMigrations(options);
    if (unknown.length > 0)
      throw new Error(
        `This checkout does not know ${unknown.join(', ')}, which the database has: go back from one that does.`,
      );
    const names = new Set(
      (await migrationStatus(options)).filter(({ appliedAt }) => appliedAt).map(({ name }) => name),
    );
    const migrations = [...(await readMigrations(folder)), ...(await readPrepared(folder))];
    return migrations
      .filter(({ name }) => names.has(name))
      .map(({ name, up }) => ({ name, compatible: !isBreaking(up), takesBack: takenBackBy(up) }));
  }
  return {
    applied,
    pending: async () =>
      (await migrationStatus(options)).filter(({ appliedAt }) => !appliedAt).map(({ name }) => name),
    up: async () => (await migrateToLatest(options)).applied,
    async downThrough(name) {
      const reverted: string[] = [];
      while ((await applied()).some((one) => one.name >= name))
        reverted.push(...(await migrateDown(options)).reverted);
      return reverted;
    },
    async prepared() {
      const names = new Set((await applied()).map(({ name }) => name));
      return (await readPrepared(folder)).filter(({ name }) => !names.has(name));
    },
    applyPrepared: async (names) => (await applyPrepared(options, names)).applied,
  };
}
