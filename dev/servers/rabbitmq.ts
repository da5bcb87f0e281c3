import { globSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Guarded, spawnGuarded } from './guardian.ts';
import { freePort, waitForPort } from './ports.ts';
import { findProgram } from './programs.ts';
import type { Placement, Server, Service } from './server.ts';
import { giveAway, makePrivateDirectory } from './unprivileged.ts';

const START_TIMEOUT_MS = 60_000;
/** /usr/sbin/rabbitmq-server is a wrapper that insists on the system's user, so the script behind it is run. */
const SCRIPTS = ['/usr/lib/rabbitmq/lib/*/sbin', '/opt/homebrew/opt/rabbitmq/sbin'];

export const rabbitmq: Service = {
  name: 'RabbitMQ',
  hint: 'Install it (apt-get install rabbitmq-server, brew install rabbitmq)',
  container: {
    image:
      'rabbitmq:4.3-management-alpine@sha256:ce634665a8e7262384a793581c20cb8a46343887446eb391b77c814febeca4b2',
    port: 5672,
    readyLog: { pattern: /Server startup complete/, times: 1 },
    url: (host, port) => `amqp://guest:guest@${host}:${port}`,
  },
  startLocal,
};

async function startLocal({ directory, port: preferred }: Placement): Promise<Server | undefined> {
  const script = findProgram('rabbitmq-server', globSync(SCRIPTS));
  const epmd = findProgram('epmd');
  if (script === undefined || epmd === undefined) return undefined;
  makePrivateDirectory(directory);
  const [port, distributionPort, namesPort] = [await freePort(preferred), await freePort(), await freePort()];
  // Erlang's name server. Left to itself, RabbitMQ starts one that outlives it.
  const names = spawnGuarded({
    program: epmd,
    args: ['-port', String(namesPort), '-address', '127.0.0.1'],
    env: {},
    directory,
    name: 'epmd',
    stopSignal: 'TERM',
    forceSignal: 'KILL',
  });
  await waitForPort(namesPort, 5000, names.ended);
  const server = spawnGuarded({
    program: script,
    args: [],
    env: environment({ directory, port, distributionPort, namesPort }),
    directory,
    name: 'rabbitmq',
    stopSignal: 'TERM',
    forceSignal: 'KILL',
  });
  const ready = waitForPort(port, START_TIMEOUT_MS, server.ended);
  // A test run may be over before RabbitMQ is up: stopped then, it fails nobody who did not wait for it.
  ready.catch(() => {});
  return {
    kind: 'program',
    description: `RabbitMQ ${/rabbitmq_server-([\d.]+)/.exec(script)?.[1] ?? ''} (${script})`,
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    ready,
    ended: server.ended,
    stop: () => stop([server, names], directory),
  };
}

async function stop(servers: readonly Guarded[], directory: string): Promise<void> {
  for (const server of servers) await server.stop();
  rmSync(directory, { recursive: true, force: true });
}

interface Ports {
  readonly directory: string;
  readonly port: number;
  readonly distributionPort: number;
  readonly namesPort: number;
}

/** Everything that RabbitMQ would otherwise look for in system folders, or share with another RabbitMQ. */
function environment({ directory, port, distributionPort, namesPort }: Ports): Record<string, string> {
  const write = (name: string, text: string): string => {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    giveAway(file);
    return file;
  };
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: directory,
    LANG: 'C.UTF-8',
    ERL_EPMD_PORT: String(namesPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `dragonfly-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_CONFIG_FILE: write(
      'rabbitmq.conf',
      `listeners.tcp.default = 127.0.0.1:${port}\nlog.console = true\nlog.console.level = warning\nlog.file = false\n`,
    ),
    RABBITMQ_ENABLED_PLUGINS_FILE: write('enabled_plugins', '[].\n'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'none'),
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_SCHEMA_DIR: join(directory, 'schema'),
    RABBITMQ_PID_FILE: join(directory, 'pid'),
    // Makes the script become the Erlang machine, so that the guardian's signal reaches it.
    RABBITMQ_ALLOW_INPUT: '1',
    RABBITMQ_SERVER_START_ARGS: '-noinput',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none +S 1:1 +A 16',
  };
}
