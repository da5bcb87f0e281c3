import { Kysely, PostgresDialect } from 'kysely';
import { PostgresDialect as Codegen, generate } from 'kysely-codegen';
import { Pool } from 'pg';

/**
 * The types of the views of schema ops, read from a migrated database. Not of its tables: what the service does to
 * those, it does through functions (SEC-12).
 */
export async function renderDatabaseTypes(databaseUrl: string): Promise<string> {
  const pool = new Pool({ connectionString: databaseUrl, max: 1 });
  // The server is stopped when the work is done, perhaps before this connection is.
  pool.on('error', () => {});
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    return await generate({
      db,
      dialect: new Codegen(),
      includePattern: 'ops.*',
      outFile: null,
      // As the pool parses them: RFC 3339 with microseconds, which a Date would lose.
      typeMapping: { timestamptz: 'string' },
      postprocess: async ({ metadata }) =>
        await Promise.resolve(
          Object.assign(metadata, { tables: metadata.tables.filter(({ isView }) => isView) }),
        ),
    });
  } finally {
    await db.destroy();
  }
}
