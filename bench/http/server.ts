import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { onServerCore } from './pin.ts';

export type Variables = Readonly<Record<string, string>>;

export interface Server {
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * A Node process that sends `{ type: 'ready', api }` and ends when its IPC channel closes, so that it never outlives this
 * one. Its output goes to a pipe, as in a container, which is drained here.
 *
 * @throws Error when it ends before it is ready
 */
export async function startServer(args: readonly string[], env: Variables): Promise<Server> {
  const child = spawn(...onServerCore(process.execPath, args), {
    cwd: resolve(import.meta.dirname, '../..'),
    env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let tail = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    tail = chunk.toString('utf8');
  });
  const ended = once(child, 'exit');
  const url = await Promise.race([addressOf(once(child, 'message')), ended.then(() => undefined)]);
  if (url === undefined || child.pid === undefined) {
    throw new Error(`${args.join(' ')} ended before it was ready.\n${tail}`);
  }
  return {
    pid: child.pid,
    url,
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

async function addressOf(message: Promise<unknown[]>): Promise<string> {
  const [ready] = (await message) as [{ api: string }];
  return ready.api;
}
