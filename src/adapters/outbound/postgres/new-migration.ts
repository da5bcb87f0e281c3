import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readMigrations, readPrepared } from './migrations.ts';

export interface NewMigration {
  readonly folder: string;
  /** In words. */
  readonly description: string;
  readonly owner: string;
  readonly transactional: boolean;
  readonly now: Date;
}

/**
 * Writes both directions of a migration that sorts after all others. Its compatibility is for the author to say: until then the
 * linter refuses it.
 *
 * @returns the paths
 * @throws Error for a description without a letter
 */
export async function writeMigration(options: NewMigration): Promise<string[]> {
  const { folder, transactional, owner } = options;
  const description = options.description
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '');
  if (!/[a-z]/.test(description))
    throw new Error('A migration is described in a few words, such as "add job labels".');
  const files = [...(await readMigrations(folder)), ...(await readPrepared(folder))];
  const last =
    files
      .map(({ name }) => name.slice(0, 14))
      .toSorted()
      .at(-1) ?? '';
  const time = timeOf(options.now);
  const name = `${time > last ? time : timeOf(new Date(utc(last) + 1000))}_${description}`;
  const texts = { up: upText(owner, transactional), down: downText(transactional) };
  return await Promise.all(
    Object.entries(texts).map(async ([direction, text]) => {
      const file = path.join(folder, `${name}.${direction}.sql`);
      await writeFile(file, text, { flag: 'wx' });
      return file;
    }),
  );
}

const timeOf = (date: Date): string => date.toISOString().replaceAll(/\D/g, '').slice(0, 14);

const utc = (time: string): number =>
  Date.parse(time.replace(/(....)(..)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5:$6Z'));

const NO_TRANSACTION = '-- Transaction: none\n';

/** The header is what the linter asks for (docs/runbooks/migrations.md). */
const upText = (owner: string, transactional: boolean): string => `-- Owner: ${owner}
-- Compatibility:
${transactional ? '' : NO_TRANSACTION}--
-- What it is for, and what the release before sees of it.

${transactional ? "set local lock_timeout = '5s';\n" : '-- A blank line ends each statement, and each one does nothing when it runs again.\n'}`;

const downText = (transactional: boolean): string =>
  `${transactional ? '' : NO_TRANSACTION}-- Takes everything back that the other direction does.\n`;
