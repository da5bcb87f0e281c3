import { describe, expect, it } from 'vitest';
import { impactOf } from '#src/application/migrations/impact.ts';
import { statementsOfMigration } from '../../../scripts/migrations/impact.ts';
import { locksOf } from '../../../scripts/migrations/table-locks.ts';
import { parseStatements } from '../../../scripts/migrations/statement.ts';

const NAME = '20270101000000_next';
const UP = `-- Owner: platform
-- Compatibility: breaks the release before: it claims by name

set local lock_timeout = '5s';
alter table ops.job add note text;
alter table ops.job drop name;
create table ops.label (id bigint);
create or replace function ops.claim() returns integer language sql return 1;
drop index ops.job_name;
update ops.job set note = '' where false;
do $$ begin execute 'select ' || 1; insert into ops.worker default values; end $$;
`;
const TESTS = [
  { file: 'claim.test.ts', text: 'select ops.claim()' },
  { file: 'other.test.ts', text: 'select ops.claims()' },
];

describe('[DEP-2] the impact of a migration', () => {
  it('is what its text says', () => {
    const rollback = { name: '20270102000000_rollback_1', takesBack: NAME };
    const migration = { name: NAME, up: UP, down: '-- Loses: labels\nselect;' };
    expect(statementsOfMigration(migration, [rollback], TESTS)).toEqual({
      name: NAME,
      transactional: true,
      compatibility: 'breaks the release before: it claims by name',
      isBreaking: true,
      statements: {
        set: 1,
        'alter table': 2,
        'create table': 1,
        'create function': 1,
        'drop index': 1,
        update: 1,
        do: 1,
        execute: 1,
        insert: 1,
      },
      objects: ['ops.claim', 'ops.job', 'ops.job_name', 'ops.label', 'ops.worker'],
      locks: [
        { relation: 'ops.job', mode: 'ACCESS EXCLUSIVE' },
        { relation: 'ops.job_name', mode: 'ACCESS EXCLUSIVE' },
        { relation: 'ops.worker', mode: 'ROW EXCLUSIVE' },
      ],
      unseen: 1,
      loses: 'labels',
      rollback: rollback.name,
      contractTests: ['claim.test.ts'],
    });
  });

  it('says what it does not know', () => {
    const up = '-- Transaction: none\n\nvacuum ops.job;';
    expect(statementsOfMigration({ name: NAME, up, down: 'select;' }, [], [])).toMatchObject({
      transactional: false,
      compatibility: 'not said',
      isBreaking: false,
      loses: null,
      rollback: null,
    });
  });

  it('has the sizes of what is there, an index as its table, and nothing of what is new', () => {
    const said = statementsOfMigration({ name: NAME, up: UP, down: 'select;' }, [], []);
    const sizes = ['ops.job', 'ops.job_name'].map((relation) => ({
      relation,
      table: 'ops.job',
      rows: 12,
      bytes: 8192,
    }));
    expect(impactOf(said, sizes).locks).toEqual([
      { relation: 'ops.job', mode: 'ACCESS EXCLUSIVE', rows: 12, bytes: 8192 },
    ]);
  });

  // What a server says of all others is in test/integration/migrations/impact.test.ts.
  it.each([
    ['create index concurrently i on t (id)', 'SHARE UPDATE EXCLUSIVE'],
    ['drop index concurrently t', 'SHARE UPDATE EXCLUSIVE'],
    ['reindex table concurrently t', 'SHARE UPDATE EXCLUSIVE'],
    ['vacuum t', 'SHARE UPDATE EXCLUSIVE'],
    ['vacuum full t', 'ACCESS EXCLUSIVE'],
  ])('of %s, which is in no transaction, is the lock %s', (sql, mode) => {
    expect(parseStatements(sql).flatMap(locksOf)).toEqual([{ relation: 'public.t', mode }]);
  });
});
