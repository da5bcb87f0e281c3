import { expect, it } from 'vitest';
import { collectEnforcements } from '../../../scripts/constitution/enforcements.ts';
import { checkout } from './checkout.ts';

const collected = async (files: Record<string, string>) => {
  const found = collectEnforcements(await checkout(files));
  return found.map(({ kind, file, title, laws, step }) => ({ kind, file, title, laws, step }));
};

it('collects titles of tests, and no texts that they expect', async () => {
  const text = `
    it('[§1] one', () => { expect(x).toEqual(['[§9] no title', f('[§8] no title')]); });
    it.for([1])("[§1] [§2] two of %i's", () => {});
    describe(
      \`[§3] three of \${seed}\`,
      () => {},
    );
    it('four, in the end [§4]', () => {});
    it('it has none', () => {});`;
  expect(await collected({ 'test/a.test.ts': text.replaceAll('§', 'A-') })).toEqual(
    [
      ['[A-1] one', ['A-1']],
      ["[A-1] [A-2] two of %i's", ['A-1', 'A-2']],
      ['[A-3] three of ${seed}', ['A-3']],
      ['four, in the end [A-4]', ['A-4']],
    ].map(([title, laws]) => ({ kind: 'test', file: 'test/a.test.ts', title, laws, step: undefined })),
  );
});

it('collects the checks of `dragonfly gate`, wherever their lines break', async () => {
  const checks = `export const CHECKS = [
    ofEnvironment('doctor', '[A-1] all is well'),
    ofCheckout(
      'tests',
      '[A-2] [A-3] every test passes',
      ['.ci/test'],
    ),
    script('format', 'the format is the one of all', 'format:check'),
  ];`;
  expect(await collected({ 'src/composition/gate/checks.ts': checks })).toMatchObject([
    { kind: 'gate check', title: '[A-1] all is well', laws: ['A-1'] },
    { kind: 'gate check', title: '[A-2] [A-3] every test passes', laws: ['A-2', 'A-3'] },
  ]);
});

it('collects steps of the gate and of workflows, and messages of the linter with the step that runs it', async () => {
  const found = await collected({
    '.ci/run': `step '[A-1] types and lint' .ci/check\ntests "[A-2] the system's PostgreSQL" .ci/test\nstep 'none' .ci/x\n`,
    '.oxlintrc.json': '{ "message": "[A-3] domain imports nothing." }',
    '.github/workflows/a.yml': 'steps:\n  - name: "[A-4] scan"\n    run: x\n',
  });
  expect(found).toEqual([
    {
      kind: 'gate step',
      file: '.ci/run',
      title: '[A-1] types and lint',
      laws: ['A-1'],
      step: undefined,
    },
    {
      kind: 'gate step',
      file: '.ci/run',
      title: "[A-2] the system's PostgreSQL",
      laws: ['A-2'],
      step: undefined,
    },
    {
      kind: 'linter message',
      file: '.oxlintrc.json',
      title: '[A-3] domain imports nothing.',
      laws: ['A-3'],
      step: '[A-1] types and lint',
    },
    {
      kind: 'workflow step',
      file: '.github/workflows/a.yml',
      title: '"[A-4] scan"',
      laws: ['A-4'],
      step: undefined,
    },
  ]);
});
