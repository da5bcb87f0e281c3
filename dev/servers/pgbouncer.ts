import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnGuarded } from './guardian.ts';
import { freePort, waitForPort } from './ports.ts';
import { findProgram } from './programs.ts';
import { giveAway, makePrivateDirectory } from './unprivileged.ts';

export interface PgBouncer {
  /** The same user and database, by way of the pooler. */
  through(url: string): string;
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  /** A folder of this pooler alone. */
  readonly directory: string;
  /** Of one server: a URL with the password of each user that may come. */
  readonly users: readonly [string, ...string[]];
  /** Server connections of each user to each database. */
  readonly poolSize: number;
}

/** @returns undefined when this machine has no PgBouncer */
export const findPgBouncer = (): string | undefined => findProgram('pgbouncer');

/** PgBouncer in transaction mode on a free port of loopback, with its other settings as they are by default. */
export async function startPgBouncer(
  program: string,
  { directory, users, poolSize }: PgBouncerOptions,
): Promise<PgBouncer> {
  makePrivateDirectory(directory);
  const port = await freePort();
  const write = (name: string, lines: readonly string[]): string => {
    const file = join(directory, name);
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    giveAway(file);
    return file;
  };
  const { hostname, port: serverPort } = new URL(users[0]);
  const settings = write('pgbouncer.ini', [
    '[databases]',
    `* = host=${hostname} port=${serverPort || 5432}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'pool_mode = transaction',
    `default_pool_size = ${poolSize}`,
    'auth_type = scram-sha-256',
    `auth_file = ${write('users.txt', users.map(toUser))}`,
  ]);
  const server = spawnGuarded({
    program,
    args: [settings],
    env: {},
    directory,
    name: 'pgbouncer',
    stopSignal: 'TERM',
    forceSignal: 'KILL',
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  await waitForPort(port, 10_000, server.ended).catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  return {
    through(url) {
      const pooled = new URL(url);
      pooled.host = `127.0.0.1:${port}`;
      return pooled.href;
    },
    stop,
  };
}

/** A line of PgBouncer's list of users, in which the password has to be readable: it logs in to the server with it. */
function toUser(url: string): string {
  const { username, password } = new URL(url);
  return [username, password].map((text) => `"${decodeURIComponent(text).replaceAll('"', '""')}"`).join(' ');
}
