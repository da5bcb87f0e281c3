import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '#dev/servers/ports.ts';
import { type Processes, processesOf } from './processes.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const COPIED = ['package.json', 'src', 'dev', 'migrations'];
const PATIENCE_MS = 20_000;

/** A copy of this checkout in which a test may start, edit and kill dev. */
export interface DevCheckout {
  readonly directory: string;
  readonly ports: { readonly PORT: string; readonly DRAGONFLY_METRICS_PORT: string };
  /** `npm run dev` in a process group of its own. */
  dev(args?: readonly string[], environment?: Readonly<Record<string, string>>): Dev;
  processes(): Processes;
  /** Kills what is left. */
  kill(): void;
  remove(): Promise<void>;
}

export interface ReadyDev {
  readonly api: string;
  /** A header. */
  readonly authorization: string;
}

export interface Dev {
  readonly npm: ChildProcess;
  /** Everything printed so far. */
  output(): string;
  /** @throws Error with what was printed, when this is not printed in time */
  untilPrinted(pattern: RegExp): Promise<RegExpExecArray>;
  /** What the panel says. */
  untilReady(): Promise<ReadyDev>;
  /** npm's exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

export async function devCheckout(): Promise<DevCheckout> {
  const directory = mkdtempSync(join(tmpdir(), 'dragonfly-'));
  // As in most checkouts, everybody may pass.
  chmodSync(directory, 0o755);
  for (const name of COPIED) cpSync(join(CHECKOUT, name), join(directory, name), { recursive: true });
  symlinkSync(join(CHECKOUT, 'node_modules'), join(directory, 'node_modules'));
  const api = await freePort();
  const ports = { PORT: String(api), DRAGONFLY_METRICS_PORT: String(await freePort(0, api)) };
  const kill = (): void => {
    for (const pid of processesOf(directory).keys()) process.kill(pid, 'SIGKILL');
  };
  return {
    directory,
    ports,
    dev: (args = [], environment = {}) => startDev(directory, args, { ...ports, ...environment }),
    processes: () => processesOf(directory),
    kill,
    remove: async () => {
      kill();
      await sleep(100);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function startDev(
  directory: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Dev {
  // Nothing of the test run's environment: neither npm's variables nor URLs of servers.
  const { PATH = '', HOME = '' } = process.env;
  const npm = spawn('npm', ['run', 'dev', '--', ...args], {
    cwd: directory,
    env: { PATH, HOME, ...environment },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const ended = once(npm, 'close').then(([code]) => code as number | null);
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  }
  async function untilPrinted(pattern: RegExp): Promise<RegExpExecArray> {
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(20)) {
      const match = pattern.exec(text);
      if (match) return match;
    }
    throw new Error(`Never printed: ${String(pattern)}. Printed was:\n${text}`);
  }
  return {
    npm,
    output: () => text,
    ended,
    untilPrinted,
    async untilReady() {
      const [, api = '', key = ''] = await untilPrinted(/^ {2}API +(http:\S+)$[^]*^ {2}API key +(dfk_\S+) /m);
      return { api, authorization: `Bearer ${key}` };
    },
  };
}
