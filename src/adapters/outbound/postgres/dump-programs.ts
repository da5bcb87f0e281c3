import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { DumpPrograms } from '#src/application/backup/ports.ts';

const run = promisify(execFile);

/** Where Debian, Red Hat and Homebrew keep the programs of each version, beside PATH. */
const PLACES = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/{libpq,postgresql@*}/bin',
  '/usr/local/opt/{libpq,postgresql@*}/bin',
];

interface Found {
  readonly folder: string;
  readonly major: number;
}

/**
 * Where pg_dump and pg_restore are: those of the version of a server, or else the oldest of those that are newer, because an older
 * pg_dump refuses the server. Without a server the newest, which read every dump.
 *
 * @throws Error that says what to install
 */
export async function findDumpPrograms(
  serverVersion?: number,
  places: readonly string[] = [...PLACES, ...(process.env['PATH'] ?? '').split(delimiter)],
): Promise<string> {
  const folders = new Set(places.flatMap((place) => globSync(place)));
  const found = (await Promise.all([...folders].map(majorIn)))
    .filter((one) => one !== undefined)
    .toSorted((a, b) => a.major - b.major);
  const wanted = Math.floor((serverVersion ?? 0) / 10_000);
  const best = serverVersion === undefined ? found.at(-1) : found.find(({ major }) => major >= wanted);
  if (best) return best.folder;
  const version = serverVersion === undefined ? '' : ` of PostgreSQL ${wanted} or newer`;
  const there =
    found.length > 0 ? `, and here are only those of ${found.map(({ major }) => major).join(', ')}` : '';
  throw new Error(
    `pg_dump and pg_restore${version} are needed${there}. Install them (apt-get install postgresql-client${wanted ? `-${wanted}` : ''}, brew install libpq); or use the image that \`docker build --target operator\` makes.`,
  );
}

async function majorIn(folder: string): Promise<Found | undefined> {
  try {
    const [{ stdout }] = (await Promise.all(
      ['pg_dump', 'pg_restore'].map(async (name) => await run(join(folder, name), ['--version'])),
    )) as [{ stdout: string }, unknown];
    return { folder, major: Number(/\) (\d+)/.exec(stdout)?.[1]) };
  } catch {
    return undefined; // Not there, or not both of them.
  }
}

/** Lines of the contents of a dump. Only a superuser arranges that, and `roles` does. */
const OF_THE_ADMINISTRATOR = /^.* (?:EVENT TRIGGER|ACL pg_catalog) .*\n/gm;

/**
 * @param url of a database, as whom to dump or to restore
 * @param signal ends the programs that read
 */
export function dumpPrograms(folder: string, url: string, signal?: AbortSignal): DumpPrograms {
  const { dbname, env } = connection(url);
  const programs = { dump: join(folder, 'pg_dump'), restore: join(folder, 'pg_restore') };
  return {
    async dump(path, snapshot) {
      await finished(programs.dump, { env, signal }, [
        '--format=custom',
        '--no-password',
        // A migration that holds a lock is not waited for until the end of days.
        '--lock-wait-timeout=30s',
        '--exclude-schema=ddl_log',
        `--snapshot=${snapshot}`,
        `--file=${path}`,
        `--dbname=${dbname}`,
      ]);
      return (await run(programs.dump, ['--version'])).stdout.trim();
    },

    async countRows(path) {
      const child = spawn(programs.restore, ['--data-only', '--file=-', path], {
        stdio: ['ignore', 'pipe', 'pipe'],
        signal,
      });
      const [rows, errors, [code]] = await Promise.all([
        rowsOf(createInterface({ input: child.stdout })),
        text(child.stderr),
        once(child, 'close') as Promise<[number | null]>,
      ]);
      if (code !== 0) throw new Error(`The dump cannot be read: ${errors.trim()}`);
      return rows;
    },

    async restore(path) {
      const folder = await mkdtemp(join(tmpdir(), 'dragonfly-restore-'));
      try {
        const contents = join(folder, 'contents');
        const { stdout } = await run(programs.restore, ['--list', path]);
        await writeFile(contents, stdout.replaceAll(OF_THE_ADMINISTRATOR, ''));
        await finished(programs.restore, { env }, [
          '--no-password',
          '--no-owner',
          '--single-transaction',
          '--exit-on-error',
          `--use-list=${contents}`,
          `--dbname=${dbname}`,
          path,
        ]);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  };
}

/** The password goes by the environment, because everybody sees the arguments of a process. */
function connection(text: string): { readonly dbname: string; readonly env: NodeJS.ProcessEnv } {
  const url = new URL(text);
  const password = decodeURIComponent(url.password);
  url.password = '';
  return { dbname: url.href, env: { ...process.env, PGPASSWORD: password, PGAPPNAME: 'dragonfly-backup' } };
}

async function finished(
  program: string,
  options: { readonly env: NodeJS.ProcessEnv; readonly signal?: AbortSignal | undefined },
  args: readonly string[],
): Promise<void> {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  const [errors, [code]] = await Promise.all([
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new Error(`${program} failed: ${errors.trim() || `exit code ${code}`}`);
}

/** Rows stand between `COPY table (columns) FROM stdin;` and `\.`, a line each. */
async function rowsOf(lines: AsyncIterable<string>): Promise<Record<string, number>> {
  const rows: Record<string, number> = {};
  let table: string | undefined;
  for await (const line of lines) {
    if (table === undefined) {
      table = /^COPY (\S+) .*FROM stdin;$/.exec(line)?.[1];
      if (table !== undefined) rows[table] = 0;
    } else if (line === '\\.') table = undefined;
    else rows[table] = (rows[table] ?? 0) + 1;
  }
  return rows;
}
