import { describe, expect, it } from 'vitest';
import type { JobFacts } from '#test/chaos/facts.ts';
import { VIOLATIONS, type Violation, findViolations } from '#test/chaos/violations.ts';

const PLAN = { runAtMs: 1000, maxAttempts: 5, failures: 0, dies: false };
const ran = (attempt: number, startedMs = 2000) => ({ attempt, startedMs });
const completed = (attempts = 1) => ({ status: 'completed', attempts, resultOf: attempts });
const ended = (status: string, attempts = 1) => ({ status, attempts, resultOf: null });

/** A job with which nothing is wrong, changed. */
const job = (changes: Partial<JobFacts> = {}): JobFacts => ({
  n: 0,
  transaction: 1,
  plan: PLAN,
  fate: 'committed',
  cancel: 'no',
  executions: [ran(1)],
  accepted: [1],
  finals: [completed()],
  ...changes,
});

const absent = { executions: [], accepted: [], finals: [] };

/** Which rules are broken, with the jobs that break them. */
const found = (...jobs: JobFacts[]): Partial<Record<Violation, readonly number[]>> =>
  Object.fromEntries([...findViolations(jobs)].filter(([, numbers]) => numbers.length > 0));

describe('[Q-3] [Q-4] the accounts of a chaos run', () => {
  it.each<[string, Partial<JobFacts>]>([
    ['completed at once', {}],
    [
      'completed by its third attempt',
      { executions: [ran(1), ran(3)], accepted: [3], finals: [completed(3)] },
    ],
    ['completed, the answer to the worker lost', { accepted: [] }],
    ['rolled back and never seen again', { fate: 'rolled back', ...absent }],
    ['committed, though nobody said so', { fate: 'unknown' }],
    ['not committed, as nobody said', { fate: 'unknown', ...absent }],
    ['a dead letter after its last attempt', { accepted: [], finals: [ended('failed', 5)] }],
    [
      'a dead letter at once, as planned',
      { plan: { ...PLAN, dies: true }, accepted: [], finals: [ended('failed')] },
    ],
    ['cancelled before it ran', { cancel: 'told', ...absent, finals: [ended('cancelled', 0)] }],
    [
      'cancelled, the answer to the client lost',
      { cancel: 'asked', ...absent, finals: [ended('cancelled', 0)] },
    ],
    ['completed before it was to be cancelled', { cancel: 'asked' }],
    ['begun in the millisecond of its time', { executions: [ran(1, PLAN.runAtMs)] }],
  ])('hold for a job %s', (_, changes) => {
    expect(found(job(changes))).toEqual({});
  });

  const wrong: [Violation, string, Partial<JobFacts>][] = [
    ['lost', 'is not there, though it was committed', absent],
    ['unfinished', 'still waits', { accepted: [], finals: [ended('pending')] }],
    ['unfinished', 'still runs', { accepted: [], finals: [ended('processing')] }],
    ['phantom', 'is there, though it was rolled back', { fate: 'rolled back' }],
    ['phantom', 'ran, though it was rolled back', { fate: 'rolled back', accepted: [], finals: [] }],
    ['phantom', 'ran before a commit that never came', { fate: 'unknown', accepted: [], finals: [] }],
    ['there twice', 'is there twice', { finals: [completed(), completed()] }],
    ['accepted twice', 'was completed twice by one attempt', { accepted: [1, 1] }],
    ['completed without a run', 'never ran', { executions: [], accepted: [] }],
    ['outcome overwritten', 'failed after it was completed', { finals: [ended('failed', 5)] }],
    [
      'outcome overwritten',
      'was completed after it was cancelled',
      { cancel: 'told', executions: [ran(1)], accepted: [1] },
    ],
    [
      'outcome of another attempt',
      'has the result of an attempt that had lost its lease',
      { executions: [ran(1), ran(2)], accepted: [], finals: [{ ...completed(2), resultOf: 1 }] },
    ],
    [
      'outcome of another attempt',
      'has the result of an attempt that never ran',
      { accepted: [], finals: [completed(2)] },
    ],
    [
      'outcome of another attempt',
      'has another result than the one that was accepted',
      { executions: [ran(1), ran(2)], accepted: [1], finals: [completed(2)] },
    ],
    ['outcome of another attempt', 'has no result', { finals: [{ ...completed(), resultOf: null }] }],
    ['outcome against the plan', 'was to fail first', { plan: { ...PLAN, failures: 1 } }],
    ['outcome against the plan', 'was to fail for good', { plan: { ...PLAN, dies: true } }],
    ['attempt begun twice', 'was given to two workers', { executions: [ran(1), ran(1)] }],
    [
      'too many attempts',
      'ran once more than it may',
      { executions: [ran(5), ran(6)], accepted: [], finals: [ended('failed', 5)] },
    ],
    ['too many attempts', 'counts more than it may', { accepted: [], finals: [ended('failed', 6)] }],
    ['failed with attempts left', 'was given up early', { accepted: [], finals: [ended('failed', 4)] }],
    ['started too early', 'ran before its time', { executions: [ran(1, PLAN.runAtMs - 1)] }],
    ['cancelled unasked', 'was cancelled by nobody', { accepted: [], finals: [ended('cancelled')] }],
  ];

  it.each(wrong)('name as %s a job that %s', (violation, _, changes) => {
    expect(found(job(changes), job({ n: 1 }))).toEqual({ [violation]: [0] });
  });

  it('name as torn a transaction of which only a part is there', () => {
    const [there, missing] = [job({ fate: 'unknown' }), job({ n: 1, fate: 'unknown', ...absent })];
    const elsewhere = job({ n: 2, transaction: 2, fate: 'unknown', ...absent });
    expect(found(there, missing, elsewhere)).toEqual({ 'torn transaction': [1] });
  });

  it('have a test for everything that they name', () => {
    expect(new Set([...wrong.map(([violation]) => violation), 'torn transaction'])).toEqual(
      new Set(VIOLATIONS),
    );
  });
});
