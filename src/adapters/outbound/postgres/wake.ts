import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlQuery } from './pool.ts';

/** Says to idle workers, soon, that jobs of these types may have been committed. Never fails. */
export type Wake = (types: Iterable<string>) => void;

/**
 * To be sent after a commit that queued and did not wake by itself, as a transaction of its own: a transaction that notifies locks
 * out all others on the server that do, from before its commit is written until it is on the disk. This one has nothing to wait
 * for the disk for.
 */
export const wakeStatement = (types: readonly string[]): SqlQuery => ({
  name: 'wake',
  text: `select ops.wake($1) from set_config('synchronous_commit', 'off', true)`,
  values: [types],
});

export interface WakerOptions {
  readonly send: (statement: SqlQuery) => Promise<unknown>;
  /** What was to be said is not said again: workers find the jobs by their next poll. `again`: the one before failed, too. */
  readonly onError: (error: unknown, again: boolean) => void;
  /** The first that did not fail again. */
  readonly onRecovery?: () => void;
}

/** Under load it says at most so often what there is, however many commit. */
const REST_MS = 5;

/** Wakes at once, one statement at a time; what comes meanwhile goes together into the next one. */
export function createWaker({ send, onError, onRecovery }: WakerOptions) {
  let waiting = new Set<string>();
  let failing = false;
  let waking: Promise<void> | undefined;

  async function say(types: readonly string[]): Promise<void> {
    try {
      await send(wakeStatement(types));
      if (failing) onRecovery?.();
      failing = false;
    } catch (error) {
      onError(error, failing);
      failing = true;
    }
  }

  async function run(): Promise<void> {
    while (waiting.size > 0) {
      const types = [...waiting];
      waiting = new Set();
      await say(types);
      await sleep(REST_MS);
    }
    waking = undefined;
  }

  return {
    wake(types: Iterable<string>): void {
      for (const type of types) waiting.add(type);
      if (waiting.size > 0) waking ??= run();
    },
    /** Fulfils when what is being said was said. For the rest there is the next poll. */
    async stop(): Promise<void> {
      waiting.clear();
      await waking;
    },
  };
}
