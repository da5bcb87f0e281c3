import type { AsyncCommand } from 'fast-check';
import type { Real } from './real.ts';
import type { World } from './world.ts';

export type Command = AsyncCommand<World, Real>;

/** An act, as it is printed when it is part of a counterexample, and whether it makes sense at that point. */
export const command = (
  text: string,
  run: (world: World, real: Real) => Promise<void>,
  check: (world: Readonly<World>) => boolean = () => true,
): Command => ({ toString: () => text, check, run });

/** The element that a number stands for, whatever their number is. Small numbers are the latest. */
export const nth = <T>(all: readonly T[], number: number): T | undefined =>
  all.at(-1 - (number % Math.max(all.length, 1)));
