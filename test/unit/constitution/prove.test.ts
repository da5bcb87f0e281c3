import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Check, prove } from '../../../scripts/constitution/prove.ts';
import {
  type Sabotage,
  readSabotages,
  sabotageFaults,
  sampleOf,
} from '../../../scripts/constitution/sabotage.ts';
import { checkout, write } from './checkout.ts';

const SABOTAGE: Sabotage = {
  law: 'AV-1',
  breaks: 'The limit is gone.',
  file: 'src/limit.ts',
  find: 'limit = 5',
  replace: 'limit = $&',
  test: 'test/unit/limit.test.ts',
};
const FILES = { 'src/limit.ts': 'const limit = 5;\n', 'test/unit/limit.test.ts': '' };

const law = (id: string, notAdopted?: string) => ({ id, text: '', notAdopted });

/** A check that passes while the file is as it should be. */
const watchful: Check = async (folder) =>
  (await readFile(join(folder, SABOTAGE.file), 'utf8')) === FILES['src/limit.ts'] ? 'passed' : 'failed';
const proven = async (check: Check, files: Record<string, string> = FILES) =>
  await prove(await checkout(files), [SABOTAGE], () => {}, check);

it('proves a law whose check passes without the sabotage and fails with it', async () => {
  expect(await proven(watchful)).toEqual([]);
});

it.for([
  [
    'does not notice',
    async () => await Promise.resolve('passed'),
    'does not notice: The limit is gone. (passed)',
  ],
  ['fails anyway', async () => await Promise.resolve('failed'), 'without sabotage: failed'],
  ['does not run', async () => await Promise.resolve('no test ran'), 'without sabotage: no test ran'],
  [
    'cannot even be loaded with the sabotage',
    async (...checked) => ((await watchful(...checked)) === 'passed' ? 'passed' : 'no test ran'),
    'does not notice: The limit is gone. (no test ran)',
  ],
] satisfies [string, Check, string][])('finds a check that %s', async ([, check, fault]) => {
  expect(await proven(check)).toEqual([expect.stringContaining(fault)]);
});

it('sabotages a copy of the files as they are, with those that are not committed, and takes it away', async () => {
  const root = await checkout(FILES);
  await write(root, { 'src/limit.ts': 'let limit = 5;\n', 'src/new.ts': 'new', '.dragonfly/secret': 'no' });
  const seen: string[] = [];
  let copy = '';
  await prove(
    root,
    [SABOTAGE, SABOTAGE],
    () => {},
    async (folder) => {
      copy = folder;
      seen.push(await readFile(join(folder, 'src/limit.ts'), 'utf8'));
      expect(await readFile(join(folder, 'src/new.ts'), 'utf8')).toBe('new');
      await expect(readFile(join(folder, '.dragonfly/secret'))).rejects.toThrow('ENOENT');
      return 'passed';
    },
  );
  expect(seen).toEqual(['let limit = 5;\n', 'let limit = $&;\n', 'let limit = 5;\n', 'let limit = $&;\n']);
  expect(await readFile(join(root, 'src/limit.ts'), 'utf8')).toBe('let limit = 5;\n');
  await expect(readFile(join(copy, 'src/limit.ts'))).rejects.toThrow('ENOENT');
});

it('finds sabotages that fit no more, and laws without one', async () => {
  const check = { kind: 'test', file: SABOTAGE.test, title: '', laws: ['AV-1'] } as const;
  const root = await checkout(FILES);
  const faultsOf = (changes: Partial<Sabotage>, laws = [law('AV-1')]) =>
    sabotageFaults(root, [{ ...SABOTAGE, ...changes }], laws, [check]);

  expect(faultsOf({})).toEqual([]);
  expect(faultsOf({}, [law('AV-1'), law('OBS-1'), law('Q-1', 'Later.')])).toEqual([]);
  expect(faultsOf({}, [law('AV-1'), law('SEC-1')])).toEqual([
    expect.stringContaining('SEC-1 has no sabotage'),
  ]);
  expect(faultsOf({}, [law('AV-1', 'Later.')])).toEqual([expect.stringContaining('no adopted law')]);
  expect(faultsOf({ find: 'limit = 6' })).toEqual([expect.stringContaining('occurs 0 times')]);
  expect(faultsOf({ find: 't' })).toEqual([expect.stringContaining('occurs 2 times')]);
  expect(faultsOf({ file: 'src/gone.ts' })).toEqual([
    expect.stringContaining('occurs 0 times in src/gone.ts'),
  ]);
  expect(faultsOf({ test: 'test/unit/gone.test.ts' })).toEqual([expect.stringContaining('no title')]);
  const { law: _, ...one } = SABOTAGE;
  await write(root, { 'test/sabotage/AV.yaml': JSON.stringify({ 'AV-1': [one, one], 'AV-2': one }) });
  expect(readSabotages(root).map(({ law: named }) => named)).toEqual(['AV-1', 'AV-1', 'AV-2']);
  await write(root, { 'test/sabotage/AV.yaml': 'AV-1: { breaks: nothing }' });
  expect(() => readSabotages(root)).toThrow('test/sabotage/AV.yaml');
});

it('takes samples of those that need no server, all of them in time', () => {
  const sabotages = ['a', 'b', 'c', 'd', 'e', 'slow'].map((law) =>
    Object.assign({}, SABOTAGE, { law, test: law === 'slow' ? 'test/contract/a.test.ts' : SABOTAGE.test }),
  );
  const sample = (day: number) => sampleOf(sabotages, 2, day).map(({ law }) => law);
  expect([sample(20_000), sample(20_001), sample(20_002)]).toEqual([
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'a'],
  ]);
  expect(sampleOf(sabotages, 9, 0)).toHaveLength(5);
});
