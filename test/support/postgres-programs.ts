import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';
import { findProgram } from '#dev/servers/programs.ts';

/** The path of a pg_dump that is not older than the server, as it wants to be. Its pg_restore is beside it. */
export function findDump(serverMajor: number): string | undefined {
  const folders = globSync('/usr/lib/postgresql/*/bin');
  const programs = [
    ...folders.map((folder) => path.join(folder, 'pg_dump')),
    findProgram('pg_dump', folders),
  ];
  return programs.find((program) => program !== undefined && majorOf(program) >= serverMajor);
}

const majorOf = (program: string): number =>
  Number(/\) (\d+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1]);

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
