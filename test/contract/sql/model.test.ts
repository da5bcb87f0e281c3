import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commands } from './model/commands.ts';
import { compare, drain } from './model/comparison.ts';
import { connectReal, reset } from './model/real.ts';
import { newWorld } from './model/world.ts';
import { connectQueue } from './queue.ts';

/*
 * Random sequences of what clients, workers and transactions do, each answer and the contents of the database compared with
 * a model of the queue. SEED repeats a run, RUNS sets how many sequences there are. They run in lanes, because they mostly
 * wait, each with a database of its own, because the reaper knows no borders.
 */
const LANES = 4;
const runs = Number(process.env['RUNS'] ?? 60);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
/** Then a counterexample is reported as short as it has become. */
const LIMIT_MS = 60_000 + runs * 1000;

const queues = await Promise.all(Array.from({ length: LANES }, connectQueue));

describe.concurrent('the functions of the queue, called in any order', () => {
  it.for([...queues.entries()])(
    `[Q-3] [Q-4] [Q-5] [Q-6] do what the model does (SEED=${seed}, lane %i)`,
    { timeout: LIMIT_MS + 30_000 },
    async ([lane, queue]) => {
      const real = await connectReal(queue);
      await fc.assert(
        fc.asyncProperty(fc.commands(commands, { maxCommands: 100, size: 'max' }), async (sequence) => {
          await reset(real);
          const world = newWorld();
          await fc.asyncModelRun(() => ({ model: world, real }), sequence);
          await compare(world, real);
          expect(await drain(world, real), 'unfinished').toEqual([]);
          await compare(world, real);
        }),
        { seed: seed + lane, numRuns: Math.ceil(runs / LANES), interruptAfterTimeLimit: LIMIT_MS },
      );
    },
  );
});
