import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { EngineName } from './engine.ts';
import type { Commands, Progress } from './process.ts';

type Answer = { id: number; result?: unknown; error?: string };

/** A process that queues or works; it ends with this one. */
export async function startChild(engine: EngineName, databaseUrl: string, connections = 4) {
  const child = fork(resolve(import.meta.dirname, 'process.ts'), [engine, databaseUrl, String(connections)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    // Standard output is where a worker logs.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const answers = new Map<number, PromiseWithResolvers<unknown>>();
  let progress: Progress = { handled: 0, firstMs: 0, ms: 0 };
  let listeners: ((progress: Progress) => void)[] = [];
  let calls = 0;

  await once(child, 'message');
  child.on('message', (message: Answer | Progress) => {
    if ('handled' in message) {
      progress = message;
      for (const listener of listeners) listener(message);
      return;
    }
    const answer = answers.get(message.id);
    if (message.error === undefined) answer?.resolve(message.result);
    else answer?.reject(new Error(`${engine}: ${message.error}`));
  });

  async function call<Name extends keyof Commands>(
    command: Name,
    ...[request]: Parameters<Commands[Name]>
  ): Promise<Awaited<ReturnType<Commands[Name]>>> {
    const id = (calls += 1);
    const answer = Promise.withResolvers<unknown>();
    answers.set(id, answer);
    child.send({ id, command, request });
    return (await answer.promise) as Awaited<ReturnType<Commands[Name]>>;
  }

  return {
    pid: child.pid ?? 0,
    call,
    progress: (): Progress => progress,
    onProgress(listener: (progress: Progress) => void): void {
      listeners.push(listener);
    },
    forget(): void {
      listeners = [];
      progress = { handled: 0, firstMs: 0, ms: 0 };
    },
    tell(handledElsewhere: number): void {
      child.send({ handledElsewhere });
    },
    kill(): void {
      child.kill('SIGKILL');
    },
    async end(): Promise<void> {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

export type Child = Awaited<ReturnType<typeof startChild>>;
