import type { MigrationFile } from '#src/adapters/outbound/postgres/migrations.ts';
import { git, lastRelease } from '../releases.ts';

export interface Released {
  readonly tag: string | undefined;
  readonly migrations: readonly Pick<MigrationFile, 'name' | 'up' | 'down'>[];
}

/** The migrations of the last release; none before the first one. */
export async function releasedMigrations(checkout: string): Promise<Released> {
  const tag = await lastRelease(checkout);
  if (tag === undefined) return { tag, migrations: [] };
  return { tag, migrations: await migrationsAt(checkout, tag) };
}

export async function migrationsAt(
  checkout: string,
  commit: string,
): Promise<Released['migrations'][number][]> {
  const list = (await git(checkout, 'ls-tree', '--name-only', commit, 'migrations/')) ?? '';
  const names = [...list.matchAll(/^migrations\/(.+)\.up\.sql$/gm)].map(([, name = '']) => name);
  const textOf = async (file: string): Promise<string> =>
    (await git(checkout, 'show', `${commit}:migrations/${file}`)) ?? '';
  return await Promise.all(
    names.map(async (name) => ({
      name,
      up: await textOf(`${name}.up.sql`),
      down: await textOf(`${name}.down.sql`),
    })),
  );
}
