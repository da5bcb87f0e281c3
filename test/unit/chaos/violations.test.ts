import { describe, expect, it } from 'vitest';
import type { JobFacts } from '#test/chaos/facts.ts';
import { VIOLATIONS, type Violation, findViolations } from '#test/chaos/violations.ts';

const PLAN = { organization: 0, runAtMs: 1000, maxAttempts: 5, failures: 0, dies: false };
/** Runs are named by their attempt unless it matters. */
const ran = (attempt: number, startedMs = 2000, claimedMs = startedMs - 10, run = `${attempt}`) => ({
  run,
  attempt,
  startedMs,
  claimed: { fromMs: claimedMs, toMs: claimedMs + 5 },
});
const completed = (attempts = 1, resultOf = `${attempts}`) => ({
  status: 'completed',
  attempts,
  resultOf,
  follows: null,
});
const ended = (status: string, attempts = 1) => ({ status, attempts, resultOf: null, follows: null });

/** A job with which nothing is wrong, changed. */
const job = (changes: Partial<JobFacts> = {}): JobFacts => ({
  n: 0,
  transaction: 1,
  plan: PLAN,
  fate: 'committed',
  parent: undefined,
  cancel: 'no',
  executions: [ran(1)],
  accepted: ['1'],
  redriven: 0,
  finals: [completed()],
  ...changes,
});

const CRASH = { fromMs: 5000, toMs: 6000 };
const HALTS = [
  { fromMs: 20_000, toMs: 21_000, organization: 0 },
  { fromMs: 30_000, toMs: 31_000, organization: 1 },
  { fromMs: 40_000, toMs: 41_000, organization: undefined },
];

const absent = { executions: [], accepted: [], finals: [] };

/** Which rules are broken, with the jobs that break them. */
const found = (...jobs: JobFacts[]): Partial<Record<Violation, readonly number[]>> =>
  Object.fromEntries(
    [...findViolations(jobs, { crashes: [CRASH], halts: HALTS })].filter(([, numbers]) => numbers.length > 0),
  );

describe('[Q-3] [Q-4] the accounts of a chaos run', () => {
  it.each<[string, Partial<JobFacts>]>([
    ['completed at once', {}],
    [
      'completed by its third attempt',
      { executions: [ran(1), ran(3, 3000)], accepted: ['3'], finals: [completed(3)] },
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
    [
      'whose claim a crash undid, and which began all the same',
      { executions: [ran(1, 9000), ran(1, 9500, CRASH.fromMs - 20, 'undone')] },
    ],
    [
      'begun once more after it was redriven',
      { redriven: 1, executions: [ran(1, 2000, 1990, 'dead'), ran(1, 3000)] },
    ],
    ['claimed while another organisation was paused', { executions: [ran(1, 30_500)] }],
    ['claimed when a pause may have been over', { executions: [ran(1, 21_005)] }],
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
    ['accepted twice', 'was completed twice by one attempt', { accepted: ['1', '1'] }],
    ['completed without a run', 'never ran', { executions: [], accepted: [] }],
    ['completed without a run', 'has no result', { finals: [{ ...completed(), resultOf: null }] }],
    [
      'completed without a run',
      'has the result of a run that never was',
      { accepted: [], finals: [completed(2)] },
    ],
    ['outcome overwritten', 'failed after it was completed', { finals: [ended('failed', 5)] }],
    ['outcome overwritten', 'was completed after it was cancelled', { cancel: 'told' }],
    [
      'outcome of another attempt',
      'has the result of an attempt that had lost its lease',
      { executions: [ran(1), ran(2)], accepted: [], finals: [completed(2, '1')] },
    ],
    [
      'outcome of another holder',
      'has another result than the one that was accepted',
      { executions: [ran(1), ran(2)], accepted: ['1'], finals: [completed(2)] },
    ],
    [
      'outcome of another holder',
      'took the report of a run whose claim a crash had undone, though it was claimed anew',
      {
        executions: [ran(1, 9500, CRASH.fromMs - 20, 'undone'), ran(1, 9000)],
        accepted: ['undone'],
        finals: [completed(1, 'undone')],
      },
    ],
    ['outcome against the plan', 'was to fail first', { plan: { ...PLAN, failures: 1 } }],
    ['outcome against the plan', 'was to fail for good', { plan: { ...PLAN, dies: true } }],
    ['attempt begun twice', 'was given to two workers', { executions: [ran(1), ran(1)] }],
    [
      'attempt begun twice',
      'was given to two workers after it was redriven',
      { redriven: 1, executions: [ran(1, 2000, 1990, 'dead'), ran(1, 3000), ran(1, 3000)] },
    ],
    [
      'attempt begun twice',
      'was claimed twice long before a crash',
      { executions: [ran(1, 2000, CRASH.fromMs - 1500, 'first'), ran(1, 9000)] },
    ],
    [
      'attempt begun twice',
      'was claimed twice after a crash',
      { executions: [ran(1, 8000, 7990, 'first'), ran(1, 9000)] },
    ],
    [
      'attempt begun twice',
      'had its last attempt undone by a crash',
      {
        executions: [ran(5, 9000), ran(5, 2000, CRASH.fromMs - 20, 'undone')],
        finals: [completed(5)],
        accepted: ['5'],
      },
    ],
    [
      'too many attempts',
      'ran once more than it may',
      { executions: [ran(5), ran(6)], accepted: [], finals: [ended('failed', 5)] },
    ],
    ['too many attempts', 'counts more than it may', { accepted: [], finals: [ended('failed', 6)] }],
    ['failed with attempts left', 'was given up early', { accepted: [], finals: [ended('failed', 4)] }],
    ['started too early', 'ran before its time', { executions: [ran(1, PLAN.runAtMs - 1)] }],
    ['claimed while halted', 'was claimed while its queue was paused', { executions: [ran(1, 20_500)] }],
    ['claimed while halted', 'was claimed while all queues were frozen', { executions: [ran(1, 40_500)] }],
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

  const follower = (changes: Partial<JobFacts> = {}): JobFacts =>
    job({ n: 1, fate: 'follow-up', parent: 0, finals: [{ ...completed(), follows: '1' }], ...changes });
  const failed = { accepted: [], finals: [ended('failed', 5)] };

  it.each<[string, Partial<JobFacts>, Partial<JobFacts>]>([
    ['is there after its parent was completed', {}, {}],
    ['never was, as its parent failed', failed, absent],
    ['never was, as its parent was rolled back', { fate: 'rolled back', ...absent }, absent],
  ])('hold for a follow-up that %s', (_, parent, child) => {
    expect(found(job(parent), follower(child))).toEqual({});
  });

  const faulty: [Violation, string, Partial<JobFacts>, Partial<JobFacts>][] = [
    ['follow-up missing', 'is not there, though its parent was completed', {}, absent],
    ['follow-up of nothing', 'is there, though its parent failed', failed, {}],
    ['follow-up of nothing', 'ran, though its parent failed', failed, { finals: [], accepted: [] }],
    [
      'follow-up of nothing',
      'was queued by a run whose report was refused',
      { executions: [ran(1, 2000, 1990, 'refused'), ran(2, 3000)], accepted: ['2'], finals: [completed(2)] },
      { finals: [{ ...completed(), follows: 'refused' }] },
    ],
  ];

  it.each(faulty)('name as %s one that %s', (violation, _, parent, child) => {
    expect(found(job(parent), follower(child))).toEqual({ [violation]: [1] });
  });

  it('have a test for everything that they name', () => {
    const named = [...wrong, ...faulty].map(([violation]) => violation);
    expect(new Set([...named, 'torn transaction'])).toEqual(new Set(VIOLATIONS));
  });
});
