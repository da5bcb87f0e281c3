import { describe, expect, it } from 'vitest';
import type { Enforcement } from '../../../scripts/constitution/enforcements.ts';
import type { Results } from '../../../scripts/constitution/results.ts';
import { type Facts, review } from '../../../scripts/constitution/review.ts';
import { type Waiver, parseWaivers } from '../../../scripts/constitution/waivers.ts';

const TODAY = '2026-02-20';
const FILE = 'test/a.test.ts';

const check = (title: string, ...laws: string[]): Enforcement => ({ kind: 'test', file: FILE, title, laws });
const law = (id: string, notAdopted?: string) => ({ id, text: 'A law.', notAdopted });
const waiver = (law: string, expires: string): Waiver => ({
  law,
  rationale: 'The library has no release that mends it.',
  risk_acceptance: 'Nobody calls what is broken in it.',
  approver: 'a maintainer',
  remediation_plan: 'Take the release of next Tuesday.',
  expires,
});

/** Of one law, A-1, that a test checks. */
const facts = (changes: Partial<Facts> = {}, audited = TODAY): Facts => ({
  constitution: { version: '1.0.0', audited, laws: [law('A-1')], amendments: [] },
  enforcements: [check('[A-1] holds', 'A-1')],
  waivers: [],
  results: undefined,
  resultsHold: false,
  today: TODAY,
  ...changes,
});
const laws = (...own: ReturnType<typeof law>[]): Partial<Facts> => ({
  constitution: { version: '1.0.0', audited: TODAY, laws: own, amendments: [] },
});

const waived = (expires: string, changes: Partial<Facts> = {}) =>
  review(facts({ enforcements: [], waivers: [waiver('A-1', expires)], ...changes }));
const ran = (status: string, ...titles: string[]) => ({ file: FILE, titles, status });
const judged = (tests: Results['tests'], changes: Partial<Facts> = {}, steps: Results['steps'] = new Map()) =>
  review(facts({ results: { commit: 'c', steps, tests }, resultsHold: true, ...changes }));

it('finds nothing wrong with a law that a check names', () => {
  const { laws, faults, warnings } = review(facts());
  expect([faults, warnings]).toEqual([[], []]);
  expect(laws).toMatchObject([{ id: 'A-1', state: 'enforced', enforcements: [{ result: 'not run' }] }]);
});

describe('is broken by', () => {
  it('a law without an enforcement', () => {
    expect(review(facts({ enforcements: [] })).faults).toEqual([
      expect.stringContaining('A-1 has no enforcement'),
    ]);
  });

  it.for(['workflow step', 'gate check'] as const)(
    'a law that only a %s enforces, which is not run before a change lands',
    (kind) => {
      const enforcements = [{ ...check('[A-1] scan', 'A-1'), kind }];
      expect(review(facts({ enforcements })).faults).toEqual([expect.stringContaining('no enforcement')]);
    },
  );

  it('an enforcement of a law that there is not', () => {
    const enforcements = [check('[A-1] [A-2] hold', 'A-1', 'A-2')];
    expect(review(facts({ enforcements })).faults).toEqual([
      `${FILE}: no law is called A-2 ([A-1] [A-2] hold)`,
    ]);
  });

  it('an enforcement of a law that is not adopted', () => {
    const { faults, laws: reviewed } = review(facts(laws(law('A-1', 'Later.'))));
    expect(faults).toEqual([expect.stringContaining('adopt it')]);
    expect(reviewed).toMatchObject([{ state: 'not adopted', notAdopted: 'Later.' }]);
  });
});

it('lets a law wait that is not adopted, and says why', () => {
  expect(review(facts({ ...laws(law('A-1', 'Later.')), enforcements: [] })).faults).toEqual([]);
});

describe('[DOC-3] a waiver', () => {
  it.for(['2026-02-20', '2026-02-25', '2026-03-05'])('holds until the end of %s', (expires) => {
    const { faults, laws } = waived(expires);
    expect(faults).toEqual([]);
    expect(laws).toMatchObject([{ state: 'waived' }]);
  });

  it('is a fault from the day after', () => {
    expect(waived('2026-02-19').faults).toEqual([expect.stringContaining('expired on 2026-02-19')]);
  });

  it('may not end 14 days away', () => {
    expect(waived('2026-03-06').faults).toEqual([expect.stringContaining('fewer than 14')]);
  });

  it('warns in its last days', () => {
    expect(waived('2026-02-23').warnings).toEqual(['The waiver of A-1 ends on 2026-02-23.']);
    expect(waived('2026-02-24').warnings).toEqual([]);
  });

  it('is of a law that is there and adopted', () => {
    expect(review(facts({ waivers: [waiver('A-9', TODAY)] })).faults).toEqual([
      'waivers.yaml: no law is called A-9',
    ]);
    expect(waived(TODAY, laws(law('A-1', 'Later.'))).faults).toEqual([
      expect.stringContaining('not adopted'),
    ]);
  });

  it('says all that is asked of it', () => {
    const complete = `waivers: [${JSON.stringify(waiver('A-1', TODAY))}]`;
    expect(parseWaivers(complete)).toHaveLength(1);
    expect(parseWaivers('waivers: []')).toEqual([]);
    for (const field of Object.keys(waiver('A-1', TODAY))) {
      const without = { ...waiver('A-1', TODAY), [field]: undefined };
      expect(() => parseWaivers(`waivers: [${JSON.stringify(without)}]`)).toThrow(field);
    }
    expect(() => parseWaivers(complete.replace(TODAY, 'soon'))).toThrow('expires');
    expect(() => parseWaivers('waivers: [{law: A-1, forever: true}]')).toThrow('forever');
    expect(() => parseWaivers('')).toThrow('waivers.yaml');
  });
});

it('warns when no audit was for a quarter', () => {
  expect(review(facts({}, '2025-11-20')).warnings).toEqual([]);
  expect(review(facts({}, '2025-11-19')).warnings).toEqual([expect.stringContaining('93 days')]);
});

describe('the results of the gate', () => {
  it.for([
    ['one that passed', [ran('passed', '[A-1] holds')], []],
    ['one that failed', [ran('failed', '[A-1] holds')], ['A-1: failed in the gate']],
    ['one that was skipped', [ran('skipped', '[A-1] holds')], ['A-1: skipped in the gate']],
    ['one that is to be written', [ran('todo', '[A-1] holds')], ['A-1: skipped in the gate']],
    ['one that did not run', [ran('passed', '[A-1] is another')], ['A-1: not run in the gate']],
    ['one in another file', [{ ...ran('passed', '[A-1] holds'), file: 'b' }], ['A-1: not run in the gate']],
    [
      'one that was skipped in one of its runs',
      [ran('skipped', '[A-1] holds'), ran('passed', '[A-1] holds')],
      [],
    ],
    [
      'one that failed in one of its runs',
      [ran('failed', '[A-1] holds'), ran('passed', '[A-1] holds')],
      ['A-1: failed'],
    ],
    ['a group', [ran('passed', '[A-1] holds', 'a'), ran('passed', '[A-1] holds', 'b')], []],
    [
      'a group of which one was skipped',
      [ran('passed', '[A-1] holds', 'a'), ran('skipped', '[A-1] holds', 'b')],
      ['A-1: skipped'],
    ],
  ] as const)('judge %s', ([, tests, faults]) => {
    expect(judged(tests).faults).toEqual(faults.map((fault) => expect.stringContaining(fault) as string));
  });

  it('find the tests of a title with placeholders', () => {
    const enforcements = [check("[A-1] of %i (SEED=${seed}), $name isn\\'t lost", 'A-1')];
    const tests = [ran('passed', "[A-1] of 3 (SEED=7), x isn't lost")];
    expect(judged(tests, { enforcements }).faults).toEqual([]);
    expect(judged([ran('passed', '[A-1] of 3')], { enforcements }).faults).toHaveLength(1);
  });

  it('find the steps of the gate, and of the messages of the linter the step that runs it', () => {
    const enforcements: Enforcement[] = [
      { kind: 'gate step', file: '.ci/run', title: '[A-1] chaos', laws: ['A-1'] },
      { kind: 'linter message', file: '.oxlintrc.json', title: '[A-1] no.', laws: ['A-1'], step: 'lint' },
    ];
    const steps: Results['steps'] = new Map([
      ['[A-1] chaos', 'passed'],
      ['lint', 'passed'],
    ]);
    expect(judged([], { enforcements }, steps).faults).toEqual([]);
    expect(judged([], { enforcements }, new Map([['lint', 'failed']])).faults).toEqual([
      'A-1: not run in the gate: .ci/run: [A-1] chaos',
      'A-1: failed in the gate: .oxlintrc.json: [A-1] no.',
    ]);
  });

  describe('of a step that could not check', () => {
    const scan = { kind: 'gate step', file: '.ci/run', title: '[A-1] scan', laws: ['A-1'] } as const;
    const steps: Results['steps'] = new Map([['[A-1] scan', 'skipped']]);
    const passed = [ran('passed', '[A-1] holds')];
    const both = { enforcements: [check('[A-1] holds', 'A-1'), scan] };

    it('warn, while another check of the law passed', () => {
      const { faults, warnings } = judged(passed, both, steps);
      expect(faults).toEqual([]);
      expect(warnings).toEqual(['A-1: could not be checked in the gate: [A-1] scan']);
    });

    it('are a fault when nothing of the law was checked', () => {
      const nothing = ['A-1: nothing of it was checked in the gate: [A-1] scan'];
      expect(judged([], { enforcements: [scan] }, steps).faults).toEqual(nothing);
      const elsewhere = { ...check('[A-1] scan there', 'A-1'), kind: 'workflow step' } as const;
      expect(judged([], { enforcements: [scan, elsewhere] }, steps).faults).toEqual(nothing);
      expect(judged([ran('skipped', '[A-1] holds')], both, steps).faults).toContain(nothing[0]);
    });

    it('say nothing of a law that is waived', () => {
      const { faults, warnings } = judged(passed, { ...both, waivers: [waiver('A-1', '2026-03-01')] }, steps);
      expect([faults, warnings]).toEqual([[], []]);
    });
  });

  it.for(['workflow step', 'gate check'] as const)('say nothing of a %s', (kind) => {
    const enforcements = [check('[A-1] holds', 'A-1'), { ...check('[A-1] scan', 'A-1'), kind }];
    expect(judged([ran('passed', '[A-1] holds')], { enforcements }).faults).toEqual([]);
  });

  it('do not decide about a law that is waived, and not at all when they are of other files', () => {
    const failed = [ran('failed', '[A-1] holds')];
    expect(judged(failed, { waivers: [waiver('A-1', TODAY)] }).faults).toEqual([]);
    expect(judged(failed, { resultsHold: false }).faults).toEqual([]);
    expect(judged(failed, { resultsHold: false }).laws[0]?.enforcements[0]?.result).toBe('failed');
  });
});
