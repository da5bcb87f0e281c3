import { expect, it } from 'vitest';
import { amendmentFaults, logFaults } from '../../../scripts/constitution/amendments.ts';
import { parseConstitution } from '../../../scripts/constitution/laws.ts';

const A1 = '- **A-1** A law.\n  _Checked by [a](../a)._';
const A2 = '- **A-2** Another law.\n  _Not adopted: later._';
const page = (version: string, ...laws: string[]) =>
  parseConstitution(`Version ${version}. Last audit: 2026-01-31.\n\n${laws.join('\n')}\n`);

it('reads laws, with the reason why one is not adopted', () => {
  expect(page('1.2.3', A1, A2)).toEqual({
    version: '1.2.3',
    audited: '2026-01-31',
    amendments: [],
    laws: [
      { id: 'A-1', text: 'A law.', notAdopted: undefined },
      { id: 'A-2', text: 'Another law.', notAdopted: 'later.' },
    ],
  });
  expect(() => parseConstitution(A1)).toThrow('has no line');
});

it.for([
  ['nothing', [A1, A2], '1.2.3', true],
  ['other words, with a PATCH', [A1.replace('A law', 'The law'), A2], '1.2.4', true],
  ['other words, and no version', [A1.replace('A law', 'The law'), A2], '1.2.3', false],
  ['another reason, and no version', [A1, A2.replace('later', 'never')], '1.2.3', false],
  ['a new law, with a MINOR', [A1, A2, '- **A-3** New.'], '1.3.0', true],
  ['a new law, with a PATCH', [A1, A2, '- **A-3** New.'], '1.2.4', false],
  ['an adopted law, with a MINOR', [A1, '- **A-2** Another law.'], '1.3.0', true],
  ['an adopted law, with a PATCH', [A1, '- **A-2** Another law.'], '1.2.4', false],
  ['a law given up, with a MAJOR', ['- **A-1** A law.\n  _Not adopted: too dear._', A2], '2.0.0', true],
  ['a law given up, with a MINOR', ['- **A-1** A law.\n  _Not adopted: too dear._', A2], '1.3.0', false],
  ['a removed law, with a MAJOR', [A1], '2.0.0', true],
  ['a removed law, with a MINOR', [A1], '1.3.0', false],
  ['other words, and an older version', [A1.replace('A law', 'The law'), A2], '1.1.9', false],
  ['the collected line only', [A1.replace('[a]', '[b]'), A2], '1.2.3', true],
] as const)('[DOC-2] an amendment of %s', ([, laws, version, isRight]) => {
  const faults = amendmentFaults(page('1.2.3', A1, A2), page(version, ...laws));
  expect(faults).toHaveLength(isRight ? 0 : 1);
});

const log = (...lines: string[]) => logFaults(page('1.1.0', A1, ...lines.map((line) => `| ${line} | … |`)));

it('[DOC-2] the change log begins with the version, in the order of dates', () => {
  const first = '1.0.0   | 2026-01-01 | the authors';
  const second = '1.1.0   | 2026-02-01 | @ada, @grace ';
  expect(log(second, first)).toEqual([]);
  expect(log(first)).toEqual([expect.stringContaining('does not begin with 1.1.0')]);
  expect(log(second, first.replace('2026', '2027'))).toEqual([expect.stringContaining('order')]);
});

const line = (version: string, approvers: string): string => `| ${version} | 2026-01-01 | ${approvers} | … |`;
const FIRST = line('1.0.0', 'the authors');
const approved = (approvers: string) =>
  amendmentFaults(page('1.0.0', A1, FIRST), page('1.1.0', A1, line('1.1.0', approvers), FIRST));

it.for(['@ada, @grace', '@ada, @grace-h, the authors'])(
  '[DOC-2] an amendment since the last release may be approved by %s',
  (approvers) => {
    expect(approved(approvers)).toEqual([]);
  },
);

it.for(['@ada', '@ada, @Ada', '@ada, @acme/maintainers', 'Ada, Grace', 'the authors, the maintainers'])(
  '[DOC-2] an amendment since the last release is not approved by %s',
  (approvers) => {
    expect(approved(approvers)).toEqual([expect.stringContaining('1.1.0 of docs/constitution.md needs two')]);
  },
);
