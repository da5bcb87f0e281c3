import { type Kysely, sql } from 'kysely';

/** Of a file: what stands in the comments that it begins with, as in `-- Transaction: none`. */
export const headerOf = (text: string, name: string): string | undefined => {
  const header = /^(?:--.*\n)*/.exec(text)?.[0] ?? '';
  return new RegExp(`^-- ${name}:[ \\t]*(.*\\S)`, 'm').exec(header)?.[1];
};

export const isTransactional = (text: string): boolean => headerOf(text, 'Transaction') !== 'none';

/** A blank line ends a statement. What consists of comments only is none. */
export const statementsOf = (text: string): string[] =>
  text.split(/\n\s*\n/).filter((paragraph) => !/^(?:\s*(?:--.*)?(?:\n|$))*$/.test(paragraph));

/**
 * Runs a file one statement at a time, outside of a transaction, for what PostgreSQL allows in none. Who was killed in the middle
 * begins anew: each statement does nothing when its work is done already, which the linter sees to. An index that an interrupted
 * `create index concurrently` left is invalid and stays so, and `if not exists` would take it for the index: it goes first.
 */
export async function runUnwrapped(db: Kysely<unknown>, text: string): Promise<void> {
  for (const index of await brokenIndexes(db, text)) {
    await sql`drop index concurrently if exists ${sql.table(index)}`.execute(db);
  }
  for (const statement of statementsOf(text)) await sql.raw(statement).execute(db);
}

/** Those that the file names. */
async function brokenIndexes(db: Kysely<unknown>, text: string): Promise<string[]> {
  const { rows } = await sql<{ schema: string; name: string }>`
    select n.nspname as schema, c.relname as name
      from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
     where not i.indisvalid and c.relkind = 'i'`.execute(db);
  const words = new Set(text.match(/[\w$]+/g));
  return rows.filter(({ name }) => words.has(name)).map(({ schema, name }) => `${schema}.${name}`);
}
