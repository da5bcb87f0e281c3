import type { BackupShelf } from './ports.ts';

const DAY_MS = 86_400_000;

/**
 * Removes all finished backups of the database but the newest ones.
 *
 * @returns the names of those that are gone, oldest first
 */
export async function keepNewest(shelf: BackupShelf, database: string, count: number): Promise<string[]> {
  const old = (await shelf.list())
    .filter(({ manifest }) => manifest.facts.database === database)
    .toSorted((a, b) => Date.parse(b.manifest.created_at) - Date.parse(a.manifest.created_at))
    .slice(count)
    .toReversed();
  for (const { name } of old) await shelf.remove(name);
  return old.map(({ name }) => name);
}

/**
 * Removes what was left of backups that were killed. One of the last day stays: it may be another one that is being made.
 *
 * @returns the names of those that are gone
 */
export async function removeUnfinished(shelf: BackupShelf, now: Date): Promise<string[]> {
  const left = (await shelf.listUnfinished()).filter(
    ({ writtenAt }) => now.getTime() - writtenAt.getTime() > DAY_MS,
  );
  for (const { name } of left) await shelf.remove(name);
  return left.map(({ name }) => name);
}
