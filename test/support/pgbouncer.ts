import { type PgBouncer, findPgBouncer, startPgBouncer } from '#dev/servers/pgbouncer.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { afterAll, beforeAll, describe } from 'vitest';
import type { TestDatabase } from './database.ts';

/**
 * Tests that need PgBouncer, with one server connection for each role: what a transaction leaves there, the next one of
 * anybody meets. Reported as skipped where there is none; with `REQUIRE_SERVICES=1` that is a failure.
 */
export function describeWithPgBouncer(
  name: string,
  { urls }: TestDatabase,
  define: (through: PgBouncer['through']) => void,
): void {
  const program = findPgBouncer();
  if (program === undefined && process.env['REQUIRE_SERVICES'] === '1') {
    throw new Error('There is no pgbouncer: install Debian’s package `pgbouncer`.');
  }
  const note = program === undefined ? ' (skipped: there is no pgbouncer; its package has that name)' : '';
  describe.skipIf(program === undefined)(`${name}${note}`, () => {
    let pooler: PgBouncer | undefined;
    beforeAll(async () => {
      pooler = await startPgBouncer(program ?? '', {
        directory: temporaryDirectory('pgbouncer'),
        users: [urls.api, urls.worker],
        poolSize: 1,
      });
    });
    afterAll(async () => await pooler?.stop());
    define((url) => pooler?.through(url) ?? '');
  });
}
