import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface LoadOrder {
  readonly url: string;
  /** The bytes of one request. */
  readonly request: string;
  readonly connections: number;
  readonly ms: number;
  /** Requests that are due a second; without it, each connection asks again when it is answered. */
  readonly perSecond?: number;
  /** Asked beside it. */
  readonly probes?: readonly string[];
}

export interface Answer {
  readonly status: number;
  /** From when it was due. */
  readonly ms: number;
  readonly retryAfter: boolean;
}

export interface Probed {
  readonly status: number;
  readonly ms: number;
}

export interface Loaded {
  readonly answers: readonly Answer[];
  readonly probed: readonly Probed[];
}

/** Load from a process of its own, whose event loop nothing else holds up. */
export async function load(order: LoadOrder): Promise<Loaded> {
  const child = fork(join(import.meta.dirname, 'load-process.ts'));
  try {
    child.send(order);
    const [loaded] = (await once(child, 'message')) as [Loaded];
    return loaded;
  } finally {
    child.kill();
  }
}

export function percentile(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * share) - 1] ?? 0;
}
