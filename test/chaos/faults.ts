import { pause } from '#src/adapters/inbound/worker/pause.ts';
import { type Random, randomOf } from './random.ts';

export interface Fault {
  /** As the report has it. */
  readonly name: string;
  /** Seconds of rest before it strikes again: the least and the most. */
  readonly rest: readonly [least: number, most: number];
  /**
   * Strikes once and takes everything back before it fulfils, at the latest soon after `over`.
   *
   * @throws when it could not strike, perhaps because another one did
   */
  strike(random: Random, over: AbortSignal): Promise<void>;
}

/** Each strikes for the first time within seconds, so that also a short run meets all of them. */
const FIRST_WITHIN_MS = 8000;
/** The rest of one that could not strike: another one was in its way. */
const SOON: Fault['rest'] = [0.2, 1];
/** A fault that cannot strike for so long is broken itself. */
const PATIENCE_MS = 60_000;

/** Lets faults strike, side by side, until it is stopped. */
export function startFaults(faults: readonly Fault[], seed: string) {
  const counts = new Map(faults.map(({ name }) => [name, 0]));
  const failures = new Map<string, unknown>();
  const over = new AbortController();
  const striking = faults.map(async (fault) => await strikeOften(fault, randomOf(seed, fault.name)));

  async function strikeOften({ name, rest, strike }: Fault, random: Random): Promise<void> {
    await pause(random.next() * FIRST_WITHIN_MS, over.signal);
    while (!over.signal.aborted) {
      try {
        await strike(random, over.signal);
        counts.set(name, (counts.get(name) ?? 0) + 1);
        await rests(random, rest);
      } catch (error) {
        failures.set(name, error);
        await rests(random, SOON);
      }
    }
  }

  const rests = async (random: Random, [least, most]: Fault['rest']): Promise<void> =>
    await pause((least + random.next() * (most - least)) * 1000, over.signal);

  return {
    counts: counts as ReadonlyMap<string, number>,
    /** @throws Error when one does not */
    async untilEachStruck(): Promise<void> {
      const deadline = performance.now() + PATIENCE_MS;
      for (const name of counts.keys()) {
        while (counts.get(name) === 0) {
          if (performance.now() > deadline) {
            throw new Error(`It was not possible: ${name}.`, { cause: failures.get(name) });
          }
          await pause(100, over.signal);
        }
      }
    },
    async stop(): Promise<void> {
      over.abort();
      await Promise.all(striking);
    },
  };
}
