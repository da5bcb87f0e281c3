import { expect, it } from 'vitest';
import { type Run, kill, randomOf } from './conservation/actor.ts';
import { MAX_ATTEMPTS, cancelSome, haltSome, produce, tidySome, watchKeys } from './conservation/clients.ts';
import { newLedger } from './conservation/ledger.ts';
import { drain, reap, work } from './conservation/workers.ts';
import { connectQueue, newType } from './queue.ts';

/*
 * Producers that commit or roll back, sometimes late, workers that report, retry, give back, forget and lose jobs, and
 * clients that cancel, redrive, purge, pause and freeze, all at once and at random, and connections that are killed at any
 * moment. Whatever happens: nothing that was committed is lost but what was purged, nothing else runs, no job runs twice at a
 * time, and each has one end. SEED repeats the choices of a run, SECONDS makes it longer; how they interleave is the server's
 * choice.
 */
const PRODUCERS = 4;
const WORKERS = 6;

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const duration = Number(process.env['SECONDS'] ?? 5) * 1000;
const queue = await connectQueue();

it(
  `[Q-3] [Q-4] [Q-5] loses no job, runs none that was rolled back, and ends each once (SEED=${seed})`,
  { timeout: duration + 30_000 },
  async () => {
    const ledger = newLedger();
    const type = newType();
    const run: Run = {
      queue,
      type,
      ledger,
      end: Date.now() + duration,
      running: new Set(),
      killed: new Set(),
    };
    await Promise.all([
      ...Array.from({ length: PRODUCERS }, async (_, index) => await produce(run, randomOf(seed + index))),
      ...Array.from({ length: WORKERS }, async (_, index) => await work(run, randomOf(seed + 100 + index))),
      cancelSome(run, randomOf(seed + 200)),
      kill(run, randomOf(seed + 300)),
      haltSome(run, randomOf(seed + 400)),
      tidySome(run, randomOf(seed + 500)),
      reap(run),
      watchKeys(run),
    ]);
    await drain(run);

    expect(ledger.faults).toEqual([]);
    expect(ledger.committed().length).toBeGreaterThan(20);
    expect(run.killed.size).toBeGreaterThan(5);
    const rows = await queue.api()<{ id: string; status: string; attempts: number }>`
      select id, status, attempts from ops.jobs where type = ${type}`;
    const ids = new Set(rows.map(({ id }) => id));
    const missing = [...ledger.jobs].filter(([id]) => !ids.has(id));
    const inDoubt = missing.filter(([, state]) => state === 'in doubt').length;
    const lost = missing.filter(([, state]) => state === 'committed').length - ledger.gone();
    expect(lost, 'gone and not purged').toBeLessThanOrEqual(0);
    expect(lost + inDoubt, 'there although purged').toBeGreaterThanOrEqual(0);
    for (const { id, status, attempts } of rows) {
      expect({ id, state: ledger.jobs.get(id) }).toEqual({
        id,
        state: expect.stringMatching('committed|in doubt'),
      });
      expect({ id, status, known: ledger.endsOf(id, attempts === MAX_ATTEMPTS) }).toEqual({
        id,
        status,
        known: expect.arrayContaining([status]),
      });
      expect(attempts).toBeLessThanOrEqual(MAX_ATTEMPTS);
    }
  },
);
