import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readMigrations } from '#src/adapters/outbound/postgres/migrations.ts';
import { changeOf, untestedChanges } from '../../../scripts/migrations/contract-tests.ts';

const HEADER = '-- Owner: platform\n-- Compatibility: additive\n\n';
const FIRST = `${HEADER}create schema ops;
create table ops.job (id bigint);
create function ops.claim() returns integer language sql return 1;
create function ops.inner_part() returns integer language sql return 1;`;
const TESTS = [
  { file: 'test/contract/sql/claim.test.ts', text: "await sql`select ops.claim()`; it('takes a job')" },
  { file: 'test/contract/sql/other.test.ts', text: 'select ops.claims()' },
];

const [FILE, OTHER] = TESTS.map(({ file }) => file) as [string, string];

const faultsOf = (now: string, changedTests: string[], next?: string): string[] =>
  untestedChanges({
    migrations: [
      { name: '20270101000000_first', up: now },
      ...(next === undefined ? [] : [{ name: '20270201000000_next', up: next }]),
    ],
    migrationsBefore: [{ name: '20270101000000_first', up: FIRST }],
    tests: TESTS,
    changedTests,
  }).map(({ place, message }) => `${place} ${message}`);

const body = (text: string): string =>
  FIRST.replace('ops.claim() returns integer language sql return 1', text);

describe('[DATA-9] a contract test has to change', () => {
  it.for([
    [
      'ops.claim() returns integer language sql return 2',
      'first.up.sql:6 changes ops.claim and none of its contract tests (test/contract/sql/claim.test.ts).',
    ],
    ['ops.claim() returns bigint language sql return 1', 'changes ops.claim'],
  ] as const)('with the function: %s', ([text, message]) => {
    expect(faultsOf(body(text), [])).toEqual([expect.stringContaining(message)]);
    expect(faultsOf(body(text), [OTHER])).toHaveLength(1);
    expect(faultsOf(body(text), [FILE])).toEqual([]);
  });

  it.for([
    'alter table ops.job add n integer;',
    'alter table ops.job drop id;',
    'drop table ops.job;',
    'create or replace function ops.claim() returns integer language sql return 2;',
    'alter function ops.claim() stable;',
    'drop function ops.claim();',
    'create view ops.claim as select 1;',
    'do $$ begin create or replace view ops.claim as select 1; end $$;',
  ])('with a new migration: %s', (statement) => {
    expect(faultsOf(FIRST, [], HEADER + statement)).toHaveLength(1);
    expect(faultsOf(FIRST, [FILE], HEADER + statement)).toEqual([]);
  });

  it('of what none names, in any of them', () => {
    const now = FIRST.replace(
      'inner_part() returns integer language sql return 1',
      'inner_part() returns integer language sql return 2',
    );
    expect(faultsOf(now, [])).toEqual([expect.stringContaining('none names it')]);
    expect(faultsOf(now, [OTHER])).toEqual([]);
  });
});

describe('[DATA-9] no contract test has to change', () => {
  it.for([
    ['with nothing', FIRST],
    ['with comments and layout', `${FIRST.replaceAll('\n', '\n\n')}\n-- more`],
    [
      'with a grant, an index or a comment',
      `${FIRST}\ncreate index i on ops.job (id); comment on function ops.claim() is 'x';`,
    ],
    [
      'where a reason is given',
      `${FIRST}\n-- lint-allow: contract-test only faster\ncreate or replace function ops.claim() returns integer language sql immutable return 1;`,
    ],
  ] as const)('%s', ([, now]) => {
    expect(faultsOf(now, [])).toEqual([]);
  });

  it('is not said by a comment without a reason', () => {
    expect(faultsOf(`${FIRST}\n-- lint-allow: contract-test\ndrop function ops.claim();`, [])).toHaveLength(
      1,
    );
  });
});

const run = promisify(execFile);
/** Whoever runs this in a hook of Git has variables that point at that repository. */
beforeEach(() => {
  vi.stubEnv('GIT_CONFIG_GLOBAL', '/dev/null');
  for (const name of Object.keys(process.env).filter((name) => /^GIT_(?!CONFIG_GLOBAL)/.test(name)))
    vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** A repository of its own with one commit on `main`. */
async function checkout() {
  const folder = await mkdtemp(join(tmpdir(), 'contract-tests-'));
  onTestFinished(async () => await rm(folder, { recursive: true }));
  const git = async (...options: string[]) =>
    await run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...options], { cwd: folder });
  const write = async (file: string, text: string): Promise<void> => {
    await mkdir(join(folder, file, '..'), { recursive: true });
    await writeFile(join(folder, file), text);
  };
  const commit = async (): Promise<void> => {
    await git('add', '.');
    await git('commit', '--quiet', '--message', 'A change');
  };
  const rules = async (): Promise<string[]> => {
    const change = await changeOf(folder, await readMigrations(join(folder, 'migrations')));
    return change === undefined ? [] : untestedChanges(change).map(({ rule }) => rule);
  };
  await git('init', '--quiet', '--initial-branch', 'main');
  await write('migrations/20270101000000_first.up.sql', FIRST);
  await write('migrations/20270101000000_first.down.sql', 'drop schema ops cascade;');
  for (const { file, text } of TESTS) await write(file, text);
  await commit();
  const change = async (): Promise<void> => {
    await write(
      'migrations/20270201000000_next.up.sql',
      `${HEADER}create or replace function ops.claim() returns integer language sql return 2;`,
    );
    await write('migrations/20270201000000_next.down.sql', 'select;');
  };
  return { git, write, commit, rules, change };
}

describe('[DATA-9] the linter of migrations compares', () => {
  it('what is not committed yet', async () => {
    const { write, rules, change } = await checkout();
    expect(await rules()).toEqual([]);
    await change();
    expect(await rules()).toEqual(['contract-test']);
    await write(FILE, `${TESTS[0]?.text ?? ''} // more`);
    expect(await rules()).toEqual([]);
  });

  it('a branch with main', async () => {
    const { git, write, commit, rules, change } = await checkout();
    await git('switch', '--quiet', '--create', 'work');
    await change();
    await commit();
    await write('README.md', 'later');
    await commit();
    expect(await rules()).toEqual(['contract-test']);
  });

  it('main with the last release', async () => {
    const { git, write, commit, rules, change } = await checkout();
    await git('tag', 'v1.0.0');
    await change();
    await commit();
    await write('README.md', 'later');
    await commit();
    expect(await rules()).toEqual(['contract-test']);
    await git('tag', 'v1.1.0');
    expect(await rules()).toEqual([]);
  });
});
