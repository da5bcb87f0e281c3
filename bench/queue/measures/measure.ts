import type { EngineName } from '../engine.ts';
import type { Bench } from '../server.ts';

/** How much of it: `--quick` is for the development of the bench. */
export interface Volume {
  readonly drain: number;
  readonly lifecycleSeconds: number;
  readonly enqueueSeconds: number;
  /** In each round; five make the three thousand that a 99th percentile needs. */
  readonly pickUps: number;
  readonly backlog: number;
  readonly deepBacklog: number;
}

export const FULL: Volume = {
  drain: 200_000,
  lifecycleSeconds: 20,
  enqueueSeconds: 4,
  pickUps: 600,
  backlog: 1_000_000,
  deepBacklog: 1_000_000,
};
export const DEEP: Volume = { ...FULL, deepBacklog: 10_000_000 };
export const QUICK: Volume = {
  drain: 20_000,
  lifecycleSeconds: 3,
  enqueueSeconds: 1,
  pickUps: 100,
  backlog: 50_000,
  deepBacklog: 50_000,
};

/** One sample of one engine, in a database of its own. */
export type Measure = (bench: Bench, engine: EngineName, volume: Volume) => Promise<number>;
