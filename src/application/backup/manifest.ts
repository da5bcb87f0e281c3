import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);

/** What a database holds, as one snapshot of it shows. */
const facts = z.strictObject({
  database: z.string(),
  /** Of the server: 180004 is 18.4. */
  server_version: z.int(),
  /** Whom objects belong to or are granted to: a dump has no roles. */
  roles: z.array(z.string()),
  /** Applied, in order. */
  migrations: z.array(z.strictObject({ name: z.string(), sha256 })),
  /** Of each table, partitions for themselves, by its quoted name. */
  rows: z.record(z.string(), count),
  /** The hash of the newest seal of the audit log. */
  audit_head: sha256.nullable(),
});
export type DatabaseFacts = z.output<typeof facts>;

/** Written last: a backup without one was not finished. */
export const manifest = z.strictObject({
  format: z.literal(1),
  created_at: z.iso.datetime(),
  git_sha: z.string(),
  /** pg_dump. */
  program: z.string(),
  dump: z.strictObject({ file: z.literal('database.dump'), bytes: count, sha256 }),
  facts,
});
export type Manifest = z.output<typeof manifest>;

export const versionText = (version: number): string => `${Math.floor(version / 10_000)}.${version % 10_000}`;

/** What is there and not what it should be, a line a table. */
export function rowFaults(
  expected: Manifest['facts']['rows'],
  found: Readonly<Record<string, number>>,
): string[] {
  const tables = [...new Set([...Object.keys(expected), ...Object.keys(found)])].toSorted();
  return tables
    .filter((table) => expected[table] !== found[table])
    .map(
      (table) => `${table}: ${found[table] ?? 'not there'} instead of ${expected[table] ?? 'not there'} rows`,
    );
}
