import type { RoundTrip } from '#src/application/migrations/verify.ts';
import { catalogOf } from './catalog.ts';
import { readPrepared } from './migrations.ts';
import {
  MIGRATIONS_FOLDER,
  type MigrateOptions,
  applyPrepared,
  migrateDown,
  migrateToLatest,
} from './migrator.ts';
import { withPool } from './with-pool.ts';

/**
 * Up, down to nothing, and up again (DATA-3), in an empty database; and then the rollbacks that are prepared for prod.
 *
 * @throws Error for a migration, or a rollback, that cannot be applied
 */
export async function roundTrip(options: MigrateOptions): Promise<RoundTrip> {
  const catalog = async (): Promise<string[]> =>
    await withPool({ url: options.databaseUrl }, 'dragonfly-migrate', async (pool) => await catalogOf(pool));
  const empty = await catalog();
  await migrateToLatest(options);
  const first = await catalog();
  for (let reverted = ['']; reverted.length > 0;) ({ reverted } = await migrateDown(options));
  const down = (await catalog()).filter((line) => !/ migration\b/.test(line));
  await migrateToLatest(options);
  const second = await catalog();
  const prepared = await readPrepared(options.folder ?? MIGRATIONS_FOLDER);
  await applyPrepared(
    options,
    prepared.map(({ name }) => name),
  );
  return { left: without(down, empty), lost: without(first, second), gained: without(second, first) };
}

const without = (lines: readonly string[], others: readonly string[]): string[] =>
  lines.filter((line) => !others.includes(line));
