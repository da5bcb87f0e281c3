import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pause } from '#src/adapters/inbound/worker/pause.ts';
import { libpqEnvironment } from '#test/support/postgres-programs.ts';
import { escapeIdentifier } from 'pg';
import type { Fault } from './faults.ts';
import { type ChaosServer, withClient } from './server.ts';

/**
 * Who reads for long, and so keeps what others want to clean up or lock.
 *
 * @param programs the folder of a pg_dump, if there is one
 */
export const readerFaults = (server: ChaosServer, programs: string | undefined): Fault[] => [
  {
    name: 'long reader (REPEATABLE READ, with a transaction id)',
    rest: [3, 10],
    async strike(random, over) {
      await withClient(server.urls.owner, async (reader) => {
        await reader.query('begin isolation level repeatable read');
        await reader.query('select pg_current_xact_id(), (select count(*) from ops.jobs)');
        await pause(8000 + random.next() * 15_000, over);
      });
    },
  },
  programs === undefined
    ? {
        name: 'what pg_dump does: ACCESS SHARE on all tables, COPY each',
        rest: [8, 16],
        strike: async () => await readAsDump(server.urls.admin),
      }
    : {
        name: 'pg_dump',
        rest: [8, 16],
        strike: async () => await runDump(join(programs, 'pg_dump'), server.urls.admin),
      },
];

async function runDump(program: string, url: string): Promise<void> {
  await promisify(execFile)(
    program,
    ['--schema=ops', '--format=custom', '--compress=none', '--no-sync', '--file=/dev/null'],
    {
      env: libpqEnvironment(url),
    },
  );
}

async function readAsDump(adminUrl: string): Promise<void> {
  await withClient(adminUrl, async (admin) => {
    await admin.query('begin isolation level repeatable read read only');
    const { rows } = await admin.query<{ name: string; partitioned: boolean }>(
      `select relname as name, relkind = 'p' as partitioned from pg_class
        where relnamespace = 'ops'::regnamespace and relkind in ('r', 'p')`,
    );
    const tables = rows.map(({ name, partitioned }) => ({
      table: `ops.${escapeIdentifier(name)}`,
      partitioned,
    }));
    await admin.query(`lock table ${tables.map(({ table }) => table).join(', ')} in access share mode`);
    for (const { table, partitioned } of tables) {
      // The server writes it itself, to nowhere.
      if (!partitioned) await admin.query(`copy ${table} to '/dev/null'`);
    }
    await admin.query('commit');
  });
}
