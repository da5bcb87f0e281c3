import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Variable } from '#src/config/variable.ts';
import type { Environment } from '#src/config/load.ts';
import { variables } from '#src/config/variables.ts';
import { afterAll } from 'vitest';
import type { TestDatabase } from './database.ts';
import { testEnvironment } from './service.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
/** `TEST_BUILT=1` proves what the image runs: the files that `npm run build` wrote. */
const ENTRY = process.env['TEST_BUILT'] === '1' ? 'dist/main.js' : 'src/main.ts';

/** The commit that every process of the tests says it is made of. */
export const GIT_SHA = '5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e';

type LogLine = Readonly<Record<string, unknown>>;

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface ServiceProcess {
  readonly child: ChildProcess;
  /** Resolves when it serves; rejects with its output when it ends before. */
  readonly ready: Promise<ServiceProcess>;
  readonly ended: Promise<Ended>;
  /** Both only once it is ready. */
  readonly apiUrl: string;
  readonly metricsUrl: string;
  /** Its standard output so far. @throws SyntaxError when a line is not JSON */
  logs(): LogLine[];
  /** The lines with that message. */
  logged(message: string): LogLine[];
}

export interface Dragonfly {
  /** A process that has only just begun. */
  launch(args: readonly string[], environment?: Environment): ServiceProcess;
  /** A role, once it serves. */
  serve(role: 'api' | 'worker' | 'all', environment?: Environment): Promise<ServiceProcess>;
  /** A command, or a role that does not start, once it has ended. */
  run(args: readonly string[], environment?: Environment): Promise<Ended>;
}

/**
 * The service as processes of their own, with real signals. They get a test's environment, changed by `environment`, and of
 * that only what their role uses. Whatever is left after the file's last test is killed.
 */
export function dragonfly(database: TestDatabase, environment: Environment = {}): Dragonfly {
  const processes: ServiceProcess[] = [];
  afterAll(async () => {
    for (const { child } of processes) child.kill('SIGKILL');
    await Promise.all(processes.map(async ({ ended }) => await ended));
  });
  const common = {
    ...testEnvironment(database),
    LOG_LEVEL: 'debug',
    DRAGONFLY_GIT_SHA: GIT_SHA,
    ...environment,
  };

  function launch(args: readonly string[], changes: Environment = {}): ServiceProcess {
    const started = startProcess(args, { ...onlyOf(args[0] ?? '', common), ...changes });
    processes.push(started);
    return started;
  }
  return {
    launch,
    serve: async (role, changes) => await launch([role], changes).ready,
    run: async (args, changes) => await launch(args, changes).ended,
  };
}

const known: Readonly<Record<string, Variable>> = variables;

/** SEC-1: each role gets only its own. */
function onlyOf(name: string, environment: Environment): Environment {
  const roles = name === 'all' ? ['api', 'worker'] : [name];
  const isUsed = ([variable]: [string, unknown]): boolean =>
    known[variable]?.roles.some((role) => roles.includes(role)) ?? false;
  return Object.fromEntries(Object.entries(environment).filter(isUsed));
}

function startProcess(args: readonly string[], env: Environment): ServiceProcess {
  const startedAt = performance.now();
  // With an IPC channel it also ends when the test run does.
  const child = spawn(process.execPath, [ENTRY, ...args], {
    cwd: CHECKOUT,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  }) as ChildProcessByStdio<null, Readable, Readable>;
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  const urls: { api?: string; metrics?: string } = {};

  // Not the event `close`, which does not come after a disconnect.
  const ended = Promise.all([once(child, 'exit'), finished(child.stdout), finished(child.stderr)]).then(
    ([[code]]): Ended => ({ code: code as number | null, stdout, stderr, ms: performance.now() - startedAt }),
  );
  const ready = new Promise<ServiceProcess>((fulfil, reject) => {
    child.once('message', (message) => {
      Object.assign(urls, message);
      fulfil(started);
    });
    void ended.then(({ code }) => {
      reject(new Error(`It ended with ${code} before it was ready:\n${stdout}${stderr}`));
      return code;
    });
  });
  // Whoever does not wait for it does not mind.
  ready.catch(() => {});

  const logs = (): LogLine[] =>
    stdout
      .slice(0, stdout.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogLine);
  const started: ServiceProcess = {
    child,
    ready,
    ended,
    get apiUrl() {
      return urls.api ?? '';
    },
    get metricsUrl() {
      return urls.metrics ?? '';
    },
    logs,
    logged: (message) => logs().filter((line) => line['message'] === message),
  };
  return started;
}
