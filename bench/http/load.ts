import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface LoadRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Each with an Idempotency-Key of its own. */
  readonly keyed?: true;
}

/** One stretch of load on one server. */
export interface Slice {
  readonly url: string;
  readonly request: LoadRequest;
  readonly seconds: number;
  /** 50 when missing. */
  readonly connections?: number;
}

export interface Load {
  /** As fast as the server answers. @throws Error when any answer is not a success */
  saturated(slice: Slice): Promise<{ requests: number; perSecond: number }>;
  /** At a fixed rate. p99 in milliseconds from when a request was due. @throws the same */
  paced(slice: Slice & { perSecond: number }): Promise<{ requests: number; p99: number }>;
  stop(): void;
}

type Answer = { readonly result: unknown } | { readonly error: string };

/** Starts the process that makes the load. It ends when this one does. */
export function startLoad(): Load {
  const child = fork(join(import.meta.dirname, 'load.js'));
  const ended = once(child, 'exit').then(() => ({ error: 'The load process ended.' }));
  const ask = async <T>(kind: 'saturated' | 'paced', slice: Slice): Promise<T> => {
    child.send({ kind, ...slice });
    const message = once(child, 'message').then(([answer]: unknown[]) => answer as Answer);
    const answer = await Promise.race([message, ended]);
    if ('error' in answer) throw new Error(answer.error);
    return answer.result as T;
  };
  return {
    saturated: async (slice) => await ask('saturated', slice),
    paced: async (slice) => await ask('paced', slice),
    stop: () => {
      if (child.connected) child.disconnect();
    },
  };
}
