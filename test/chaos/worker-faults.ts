import { pause } from '#src/adapters/inbound/worker/pause.ts';
import type { TcpProxy } from '#test/support/tcp-proxy.ts';
import type { Fault } from './faults.ts';
import type { Fleet } from './fleet.ts';
import { DEAD_AFTER_MS } from './timing.ts';

const DEAD_AFTER_S = DEAD_AFTER_MS / 1000;
/** Longer than the connection lives. */
const ANSWER_NEVER_MS = 2000;

/** What happens to the workers and to their connections. */
export const workerFaults = (fleet: Fleet, wires: readonly TcpProxy[]): Fault[] => [
  {
    name: 'worker killed (SIGKILL)',
    rest: [5, 10],
    strike: async (random) => await fleet.replace(random.pick(fleet.places), 'SIGKILL'),
  },
  {
    name: 'worker drained and replaced (SIGTERM)',
    rest: [15, 30],
    strike: async (random) => await fleet.replace(random.pick(fleet.places), 'SIGTERM'),
  },
  {
    name: 'worker suspended until it counts as dead, and longer (SIGSTOP)',
    rest: [6, 14],
    strike: async (random, over) =>
      await fleet.suspend(random.pick(fleet.places), DEAD_AFTER_S + 0.5 + random.next() * 3, over),
  },
  {
    name: 'connections half-open',
    rest: [8, 16],
    async strike(random, over) {
      const silent = wires.filter(() => random.chance(0.4));
      if (silent.length === 0) silent.push(random.pick(wires));
      for (const wire of silent) wire.freeze();
      await pause(1000 + random.next() * DEAD_AFTER_MS, over);
      for (const wire of silent) wire.thaw();
    },
  },
  {
    name: 'answers lost: what is asked arrives, then the connections are cut',
    rest: [4, 10],
    async strike(random, over) {
      const deaf = wires.filter(() => random.chance(0.5));
      for (const wire of deaf) wire.slow(ANSWER_NEVER_MS);
      await pause(100 + random.next() * 900, over);
      for (const wire of deaf) wire.cut();
      for (const wire of deaf) wire.slow(0);
    },
  },
  {
    name: 'connections cut',
    rest: [8, 16],
    async strike(random) {
      random.pick(wires).cut();
      await Promise.resolve();
    },
  },
];
