import { setTimeout as sleep } from 'node:timers/promises';
import { type connectQueue } from '../queue.ts';
import type { Session } from '../roles.ts';
import type { Ledger } from './ledger.ts';

/** What every actor of a run needs. */
export interface Run {
  readonly queue: Awaited<ReturnType<typeof connectQueue>>;
  readonly type: string;
  readonly ledger: Ledger;
  readonly end: number;
  /** The server processes that may be killed, and those that were. */
  readonly running: Set<number>;
  readonly killed: Set<number>;
}

export type Random = () => number;

/** Acts on a connection of its own until the time is over, and on a new one each time that it is killed. */
export async function actUntilEnd(
  run: Run,
  role: 'api' | 'worker',
  act: (session: Session) => Promise<void>,
): Promise<void> {
  while (Date.now() < run.end) {
    const session = await run.queue.session(role);
    run.running.add(session.pid);
    try {
      while (Date.now() < run.end) await act(session);
    } catch (error) {
      if (!run.killed.has(session.pid)) throw error;
    } finally {
      run.running.delete(session.pid);
    }
  }
}

/** Ends the connections of some actor, whatever they are at. */
export async function kill(run: Run, random: Random): Promise<void> {
  while (Date.now() < run.end) {
    const pids = [...run.running];
    const pid = pids[Math.floor(random() * pids.length)];
    if (pid !== undefined) {
      run.killed.add(pid);
      await run.queue.admin`select pg_terminate_backend(${pid})`;
    }
    await sleep(20 + random() * 80);
  }
}

/** Mostly a moment, sometimes for so long that others overtake. */
export const hold = async (random: Random): Promise<boolean> => {
  const long = random() < 0.04;
  await sleep(long ? 300 + random() * 1200 : random() * 8);
  return long;
};

/** mulberry32: small, seeded, good enough to choose by. */
export function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
