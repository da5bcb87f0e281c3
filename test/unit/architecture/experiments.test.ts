import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { experimentFaults } from './experiments.ts';

const TODAY = '2026-11-28';
const TAGGED = 'owner: platform\nquestion: Is it faster?\nstarted: 2026-10-29\n';

function faultsOf(files: Readonly<Record<string, string>>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'experiments-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return experimentFaults(root, TODAY);
}

describe('[ARC-8] experiments', () => {
  it('of this checkout are tagged, young, and imported by nothing', () => {
    const root = resolve(import.meta.dirname, '../../..');
    expect(experimentFaults(root, new Date().toISOString().slice(0, 10))).toEqual([]);
  });

  it('may be for 30 days', () => {
    const files = { 'experimental/a/main.ts': "import '#src/main.ts';", 'src/main.ts': '' };
    expect(faultsOf({ ...files, 'experimental/a/experiment.yaml': TAGGED })).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['without a tag', { 'experimental/a/main.ts': '' }, 'has no experiment.yaml'],
    ['as a file alone', { 'experimental/a.ts': '' }, 'has no experiment.yaml'],
    ['without an owner', { 'experimental/a/experiment.yaml': 'started: 2026-11-01' }, 'owner'],
    [
      'for more than 30 days',
      { 'experimental/a/experiment.yaml': TAGGED.replace('10-29', '10-28') },
      'has expired after 30 days',
    ],
    [
      'from tomorrow on',
      { 'experimental/a/experiment.yaml': TAGGED.replace('10-29', '11-29') },
      'starts in the future',
    ],
    ['that the source imports', { 'src/a.ts': "import '../experimental/a/main.ts';" }, 'src/a.ts imports'],
    [
      'that a script loads',
      { 'scripts/a.ts': "await import('#experimental/a.ts');" },
      'scripts/a.ts imports',
    ],
  ])('are refused %s', (_, files, fault) => {
    expect(faultsOf(files)).toEqual([expect.stringContaining(fault)]);
  });
});
