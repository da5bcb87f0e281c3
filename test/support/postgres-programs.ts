import { globSync } from 'node:fs';
import { findProgram } from '#dev/servers/programs.ts';
import { findDumpPrograms } from '#src/adapters/outbound/postgres/dump-programs.ts';

/**
 * The folder of a pg_dump and a pg_restore that are not older than the server, as they want to be.
 *
 * @param serverVersion as `server_version_num` has it
 */
export const findDump = async (serverVersion: number): Promise<string | undefined> =>
  await findDumpPrograms(serverVersion).catch(ifRequired);

/** What is missing is no reason to skip a test where all servers must be there: .ci/servers installs them. @throws error */
export function ifRequired(error: unknown): undefined {
  if (process.env['REQUIRE_SERVICES'] === '1') throw error;
}

/** Any psql: it speaks with servers of every version. */
export function findPsql(): string | undefined {
  const psql = findProgram('psql', globSync('/usr/lib/postgresql/*/bin'));
  if (psql !== undefined || process.env['REQUIRE_SERVICES'] !== '1') return psql;
  throw new Error('There is no psql: install Debian’s package `postgresql`.');
}

/** Where libpq's programs find the database. */
export function libpqEnvironment(url: string): Readonly<Record<string, string>> {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGPASSWORD: password,
    PGDATABASE: pathname.slice(1),
  };
}
