import type { DependencyCheck } from '#src/application/health/readiness.ts';
import type { Pool } from 'pg';
import { query } from './pool.ts';

/** Hard: PostgreSQL answers, and its schema is at least what this build was written for (AV-2). */
export const postgresCheck = (pool: Pool, neededMigration: string): DependencyCheck => ({
  name: 'postgres',
  kind: 'hard',
  async check() {
    const [row] = await query(pool, {
      name: 'schema_version',
      text: 'select ops.schema_version() as name',
      values: [],
    });
    const applied = (row?.['name'] as string | null) ?? '';
    if (applied < neededMigration) {
      throw new Error(
        `The schema is at ${applied || 'nothing'}, this build needs ${neededMigration}. Run \`migrate up\`.`,
      );
    }
  },
});
