import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { spawnGuarded } from './guardian.ts';
import { freePort, waitForPort } from './ports.ts';
import { findProgram } from './programs.ts';
import type { Placement, Server, Service } from './server.ts';
import { makePrivateDirectory } from './unprivileged.ts';

const PROGRAMS = ['valkey-server', 'redis-server'];

/** Counters only: nothing is saved, wherever it comes from. */
const VOLATILE = ['--save', '', '--appendonly', 'no'];

export const redis: Service = {
  name: 'Redis',
  hint: 'Install it (apt-get install redis-server, brew install redis)',
  container: {
    image:
      'valkey/valkey:9.1.2-alpine@sha256:48332870af354a799964c0012ae1194a0bf2bf894eb508f945810596dc2d8d11',
    port: 6379,
    command: ['valkey-server', ...VOLATILE],
    readyLog: { pattern: /Ready to accept connections/, times: 1 },
    url: (host, port) => `redis://${host}:${port}`,
  },
  startLocal,
};

async function startLocal({ directory, port: preferred }: Placement): Promise<Server | undefined> {
  const program = PROGRAMS.map((name) => findProgram(name)).find((path) => path !== undefined);
  if (program === undefined) return undefined;
  makePrivateDirectory(directory);
  const port = await freePort(preferred);
  const server = spawnGuarded({
    program,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...VOLATILE],
    env: {},
    directory,
    name: 'redis',
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
    kind: 'program',
    description: `Redis ${versionOf(program)} (${program})`,
    url: `redis://127.0.0.1:${port}`,
    ready: Promise.resolve(),
    ended: server.ended,
    stop,
  };
}

function versionOf(program: string): string {
  return (
    /v=(\S+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'of unknown version'
  );
}
