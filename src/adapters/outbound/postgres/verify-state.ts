import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Pool, type QueryResult, escapeLiteral } from 'pg';
import type { Finding } from '#src/application/checks/finding.ts';
import type { RoleNames } from './migrations.ts';

/** Beside `src` and beside `dist`, as the migrations. */
const FILE = fileURLToPath(new URL('../../../../docs/database/verify_db_state.sql', import.meta.url));
/** Below it, what only psql needs: to end with a failure. */
export const END_OF_QUERY = '-- So that psql ends with a failure.';

const CHECK = 'database-state';

/**
 * DATA-5 without a scratch database: whether a database is as the migrations of this build made one when it was committed. Names
 * what differs, not how.
 */
export async function verifyDatabaseState(
  pool: Pool,
  roles: RoleNames & { readonly owner: string },
): Promise<Finding[]> {
  const [text = ''] = (await readFile(FILE, 'utf8')).split(END_OF_QUERY);
  const client = await pool.connect();
  try {
    const results: unknown = await client.query(stateSql(text, { ...roles }));
    const rows = (results as QueryResult<{ text: string }>[]).flatMap((result) => result.rows);
    return rows.map(({ text: summary }) =>
      summary === 'ok'
        ? {
            check: CHECK,
            severity: 'ok',
            summary: 'the schema and its migrations are as they were committed',
          }
        : { check: CHECK, severity: 'critical', summary, runbook: 'docs/runbooks/schema-drift.md' },
    );
  } finally {
    await client.query('rollback');
    client.release();
  }
}

/** A query for psql as PostgreSQL takes it: without psql's commands, with its variables filled in. */
export const stateSql = (text: string, roles: Readonly<Record<string, string>>): string =>
  text
    .replaceAll(/^\\.*$/gm, '')
    .replaceAll(/:'(\w+)_role'/g, (_, role: string) => escapeLiteral(roles[role] ?? ''));
