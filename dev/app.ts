import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { guarded } from './servers/guardian.ts';
import { CHECKOUT } from './servers/state-directory.ts';

export interface AppUrls {
  readonly api: string;
  readonly metrics: string;
}

export interface App {
  /** Resolves when it accepts requests; undefined when it ends before. */
  readonly ready: Promise<AppUrls | undefined>;
  /** Resolves with its exit code, 128 + n when signal n ended it. */
  readonly ended: Promise<number>;
  /** Lets it drain, and kills it after 3 s. */
  stop(): Promise<void>;
  kill(): void;
}

/**
 * The app, in a process and session of its own. It drains when its IPC channel closes, be it by `stop` or by the end of
 * this process; a guardian sees that it really ends.
 *
 * @param output where its output goes: to this process's own, or to an open file
 */
export function startApp(
  environment: Readonly<Record<string, string>>,
  output: 'inherit' | number = 'inherit',
): App {
  const node = [join(CHECKOUT, 'src', 'main.ts'), 'all'];
  const command = guarded({ stopSignal: 'CONT', forceSignal: 'KILL' }, process.execPath, node);
  const child = spawn(...command, {
    cwd: CHECKOUT,
    env: environment,
    detached: true,
    stdio: ['pipe', output, output, 'ipc'],
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
  const ready = new Promise<AppUrls>((resolve) => {
    child.on('message', (message) => {
      if (isReadyMessage(message)) resolve(message);
    });
  });
  return {
    ready: Promise.race([ready, ended.then(() => undefined)]),
    ended,
    stop: async () => {
      if (child.connected) child.disconnect();
      child.stdin?.end();
      await ended;
    },
    kill: () => {
      // The whole session, guardian included.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    },
  };
}

const isReadyMessage = (message: unknown): message is AppUrls =>
  typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
