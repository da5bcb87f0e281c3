import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnGuarded } from '#dev/servers/guardian.ts';
import { freePort } from '#dev/servers/ports.ts';
import { ENVIRONMENT } from '#dev/servers/postgres-cluster.ts';
import { isPostmasterReady } from '#dev/servers/postmaster.ts';
import { giveAway, unprivileged } from '#dev/servers/unprivileged.ts';
import { afterAll, expect } from 'vitest';
import { until } from './until.ts';

export interface OwnCluster {
  /** As its superuser. */
  readonly url: string;
  /** As if the disk were lost: the server is ended, and everything that it stored deleted. */
  destroy(): Promise<void>;
}

/** A server that a test may destroy. @param programs the folder of its initdb and postgres @param more settings of it */
export async function ownCluster(programs: string, more: readonly string[] = []): Promise<OwnCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'cluster-'));
  giveAway(directory);
  const [data, passwordFile] = [join(directory, 'data'), join(directory, 'password')];
  const password = randomBytes(24).toString('base64url');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  giveAway(passwordFile);
  execFileSync(
    join(programs, 'initdb'),
    [
      `--pgdata=${data}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
      '--no-sync',
    ],
    { ...unprivileged, cwd: directory, env: ENVIRONMENT, stdio: 'pipe' },
  );
  const port = await freePort();
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off',
    ...more,
  ];
  const isReady = isPostmasterReady(data);
  const server = spawnGuarded({
    program: join(programs, 'postgres'),
    args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    env: ENVIRONMENT,
    directory,
    name: 'postgres',
    stopSignal: 'INT',
    forceSignal: 'QUIT',
  });
  async function destroy(): Promise<void> {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  afterAll(destroy);
  await until(() => expect(isReady()).toBe(true));
  return { url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, destroy };
}
