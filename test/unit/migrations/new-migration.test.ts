import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { readMigrations } from '#src/adapters/outbound/postgres/migrations.ts';
import { writeMigration } from '#src/adapters/outbound/postgres/new-migration.ts';
import { lintMigrations } from '../../../scripts/migrations/lint.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'new-migration-'));
  onTestFinished(async () => await rm(folder, { recursive: true }));
});
const now = new Date('2027-01-02T03:04:05.678Z');
const write = async (description: string, transactional = true) =>
  await writeMigration({ folder, description, owner: 'billing', transactional, now });
const faults = async () => lintMigrations(await readMigrations(folder));
const header = async () => {
  const [migration] = await readMigrations(folder);
  return migration?.up.split('\n').slice(0, 3);
};

describe('[DATA-1] `migrate new`', () => {
  it('writes both directions, named after the time and the words', async () => {
    await write('Add job-labels, twice!');
    expect(await readdir(folder)).toEqual([
      '20270102030405_add_job_labels_twice.down.sql',
      '20270102030405_add_job_labels_twice.up.sql',
    ]);
  });

  it('sorts after all others, also within the same second', async () => {
    for (const name of ['z', 'a', 'b']) await write(name);
    expect((await readMigrations(folder)).map(({ name }) => name)).toEqual([
      '20270102030405_z',
      '20270102030406_a',
      '20270102030407_b',
    ]);
  });

  it.for([true, false])(
    'is refused by the linter until its author says the compatibility',
    async (transactional) => {
      const [up = ''] = await write('labels', transactional);
      expect(await faults()).toEqual([
        {
          place: '20270102030405_labels.up.sql:1',
          rule: 'header',
          message: expect.stringContaining('Compatibility'),
        },
      ]);
      expect(await header()).toEqual([
        '-- Owner: billing',
        '-- Compatibility:',
        transactional ? '--' : '-- Transaction: none',
      ]);
      const text = await readFile(up, 'utf8');
      expect(text.includes('lock_timeout')).toBe(transactional);
    },
  );

  it.for(['', '…', '42'])('is refused without a word: %s', async (description) => {
    await expect(write(description)).rejects.toThrow(/a few words/);
    expect(await readdir(folder)).toEqual([]);
  });
});
