import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { claim, settledClaim } from './claim.ts';
import { cancel, pause, redrive, resume, retry } from './client.ts';
import type { Command } from './command.ts';
import { SOON_MS, enqueue, enqueueOne } from './enqueue.ts';
import { beat, die, reap } from './liveness.ts';
import { endDay, freeze, ofDeadLetters, unfreeze } from './operator.ts';
import { report, updateStatus } from './report.ts';
import { begin, end, kill, rollbackTo, savepoint } from './transactions.ts';
import { SESSIONS, TYPES, WORKERS } from './world.ts';

const upTo = (count: number): Arbitrary<number> => fc.nat({ max: count - 1 });
const session = upTo(SESSIONS);
const type = upTo(TYPES);
const worker = upTo(WORKERS);
/** One of the latest jobs or claims. */
const latest = upTo(12);

const wanted = fc.record({
  type,
  priority: fc.constantFrom(0, -100, 1, 100),
  maxAttempts: fc.constantFrom(3, 2, 1),
  run: fc.constantFrom('now', 'now', 'now', 'soon', 'far'),
  key: fc.option(fc.constantFrom('a', 'b'), { freq: 2, nil: undefined }),
});

const again = { status: 'pending', error: 'again' };
const outcome = fc.constantFrom(
  { status: 'completed' },
  { status: 'failed', error: 'broken' },
  { status: 'cancelled' },
  { ...again, backoff_seconds: 0 },
  { ...again, backoff_seconds: 0 },
  { ...again, backoff_seconds: SOON_MS / 1000 },
  { ...again, backoff_seconds: 3600 },
  { status: 'released' },
  { status: 'released', backoff_seconds: SOON_MS / 1000 },
);

const followUp = fc.constantFrom(undefined, undefined, undefined, undefined, 0, 1);

const claimOf = fc.record({
  session,
  worker,
  types: fc.constantFrom([0, 1], [0], [1]),
  limit: fc.integer({ min: 1, max: 4 }),
  minutes: fc.constantFrom(30, 0),
});

const often = (weight: number, arbitrary: Arbitrary<Command>) => ({ weight, arbitrary });

export const commands: Arbitrary<Command>[] = [
  fc.oneof(
    often(
      12,
      fc.tuple(session, fc.array(wanted, { minLength: 1, maxLength: 4 })).map((of) => enqueue(...of)),
    ),
    often(
      3,
      fc.tuple(session, wanted).map((of) => enqueueOne(...of)),
    ),
    often(14, claimOf.map(claim)),
    often(4, claimOf.map(settledClaim)),
    often(
      14,
      fc.tuple(session, latest, outcome, followUp).map((of) => report(...of)),
    ),
    often(
      3,
      fc
        .tuple(latest, fc.constantFrom('completed', 'failed', 'cancelled'), fc.boolean())
        .map((of) => updateStatus(...of)),
    ),
    often(
      3,
      fc.tuple(session, latest).map((of) => cancel(...of)),
    ),
    often(
      2,
      fc.tuple(session, latest).map((of) => retry(...of)),
    ),
    often(
      3,
      fc.tuple(session, latest).map((of) => redrive(...of)),
    ),
    often(
      4,
      fc
        .record({
          act: fc.constantFrom('redrive', 'purge'),
          session,
          type,
          most: fc.integer({ min: 1, max: 3 }),
        })
        .map(ofDeadLetters),
    ),
    often(6, session.map(begin)),
    often(
      8,
      fc.tuple(session, fc.constantFrom('commit', 'commit', 'rollback')).map((of) => end(...of)),
    ),
    often(3, session.map(savepoint)),
    often(
      3,
      fc.tuple(session, upTo(3)).map((of) => rollbackTo(...of)),
    ),
    often(1, session.map(kill)),
    often(1, type.map(pause)),
    often(3, type.map(resume)),
    often(1, fc.constant(freeze)),
    often(6, fc.constant(unfreeze)),
    often(2, fc.constant(undefined).map(endDay)),
    often(2, worker.map(beat)),
    often(1, worker.map(die)),
    often(
      2,
      fc.tuple(session, fc.constantFrom(30, 30, 0)).map((of) => reap(...of)),
    ),
  ),
];
