import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Guarded, spawnGuarded } from './guardian.ts';
import { freePort } from './ports.ts';
import { ENVIRONMENT, SUPERUSER, createCluster, superuserPassword } from './postgres-cluster.ts';
import { type Distribution, findDistribution } from './postgres-distribution.ts';
import { isPostmasterReady, stopStalePostmaster } from './postmaster.ts';
import type { Placement, Server } from './server.ts';
import { makePrivateDirectory } from './unprivileged.ts';

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
  const { directory, forTests = false } = placement;
  makePrivateDirectory(directory);
  const password = superuserPassword(directory);
  await createCluster(distribution, placement);
  const { server, port } = await start(distribution, placement);
  return {
    kind: 'embedded',
    description: `PostgreSQL ${distribution.version} (embedded${forTests ? ', without fsync' : ''})`,
    url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`,
    ready: Promise.resolve(),
    ended: server.ended,
    stop: async () => {
      await server.stop();
      if (forTests) rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function start(
  distribution: Distribution,
  { directory, forTests = false, port: preferred }: Placement,
): Promise<{ server: Guarded; port: number }> {
  const data = join(directory, 'data');
  await stopStalePostmaster(data);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort(preferred);
    const settings = {
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: '',
      ...(forTests ? { ...FAST_AND_FORGETFUL, max_connections: '200' } : {}),
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
