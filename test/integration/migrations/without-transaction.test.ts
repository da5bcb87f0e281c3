import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  migrateDown,
  migrateToLatest,
  migrationPlan,
  migrationStatus,
} from '#src/adapters/outbound/postgres/migrator.ts';
import { until } from '../../support/until.ts';
import { setUp } from './setup.ts';

const { database, owner, options, names, write, revertTo } = await setUp();
const NAME = '20991231000000_index';
const UP = `-- Owner: platform
-- Compatibility: an index more
-- Transaction: none

insert into public.noted values ('before');

create unique index concurrently if not exists "second_name"
  on public.organization (name, created_at);

insert into public.noted values ('after');
`;

beforeEach(async () => {
  await owner.query('create table public.noted (what text)');
  await write(NAME, UP, '-- Transaction: none\n\ndrop index concurrently if exists public.second_name;\n');
});
afterEach(async () => {
  await revertTo(names.at(-1) ?? '');
  await owner.query('drop index if exists public.second_name; drop table public.noted');
});

const column = async (text: string): Promise<unknown[]> =>
  (await owner.query<unknown[]>({ text, rowMode: 'array' })).rows.map(([value]) => value);
const indexes = async (): Promise<unknown[]> =>
  await column(`select indisvalid from pg_index where indexrelid = to_regclass('public.second_name')`);
const notes = async (): Promise<unknown[]> => await column('select what from public.noted');

/** A transaction that a concurrent index has to wait for, until it is called. */
async function writer(): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: database.urls.admin });
  await client.connect();
  onTestFinished(async () => await client.end());
  await client.query('begin; lock table public.organization in row exclusive mode');
  return async () => {
    await client.query('commit');
  };
}

function runner(): ChildProcess {
  const code = `const { migrateToLatest } = await import('#src/adapters/outbound/postgres/migrator.ts');
                await migrateToLatest(JSON.parse(process.env.OPTIONS));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    env: { ...process.env, OPTIONS: JSON.stringify(options) },
    stdio: 'ignore',
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** The process of PostgreSQL that waits with its index. */
const building = async (): Promise<unknown> =>
  await until(async () => {
    const pids = await column(
      `select pid from pg_stat_progress_create_index where phase like 'waiting%' and datname = current_database()`,
    );
    expect(pids).toHaveLength(1);
    return pids[0];
  });

async function killed(): Promise<unknown> {
  const child = runner();
  const pid = await building();
  child.kill('SIGKILL');
  await once(child, 'close');
  return pid;
}

describe('[DATA-1] a migration that is declared to have no transaction', () => {
  it('runs one statement after the other, and down again', async () => {
    expect(await migrateToLatest(options)).toEqual({ applied: [NAME] });
    expect([await indexes(), await notes()]).toEqual([[true], ['before', 'after']]);
    expect(await migrateDown(options)).toEqual({ reverted: [NAME] });
    expect(await indexes()).toEqual([]);
  });

  it('goes on when its runner was killed: another one waits for the index that is being built and takes it', async () => {
    const commit = await writer();
    await killed();
    const next = migrateToLatest(options);
    await commit();
    expect(await next).toEqual({ applied: [NAME] });
    expect([await indexes(), await notes()]).toEqual([[true], ['before', 'before', 'after']]);
  });

  it('goes on when its session was killed, too: the invalid index that is left is made again', async () => {
    const commit = await writer();
    await owner.query('select pg_terminate_backend($1)', [await killed()]);
    await until(async () => expect(await indexes()).toEqual([false]));
    await commit();
    expect(await migrateToLatest(options)).toEqual({ applied: [NAME] });
    expect(await indexes()).toEqual([true]);
  });

  it('that fails half-way says that it goes on, is not applied, and may be mended', async () => {
    await write(NAME, UP.replace("'after'", "'after' || 1 / 0"));
    await expect(migrateToLatest(options)).rejects.toThrow(/failed half-way.*goes on/);
    expect(await migrationStatus(options)).toContainEqual({ name: NAME, appliedAt: undefined });
    await write(NAME, UP);
    expect(await migrateToLatest(options)).toEqual({ applied: [NAME] });
  });

  it('that was killed after its work and before it counted as applied, does no harm when it runs again', async () => {
    await migrateToLatest(options);
    await owner.query('delete from migration.applied where name = $1', [NAME]);
    expect(await migrateToLatest(options)).toEqual({ applied: [NAME] });
  });
});

const table = (name: string): string => `create table public.${name} ()`;

describe('[DEP-4] migrations with a transaction', () => {
  it('are all applied or none, up to the next one that has none', async () => {
    await write('20991230000000_one', table('one'), 'drop table public.one');
    await write('20991230000001_two', table('two'), 'drop table public.two');
    await write('20991231000001_three', table('three'), 'drop table public.three');
    await write('20991231000002_four', 'select 1 / 0');
    expect(await migrationPlan(options)).toEqual([
      { transactional: true, names: ['20991230000000_one', '20991230000001_two'] },
      { transactional: false, names: [NAME] },
      { transactional: true, names: ['20991231000001_three', '20991231000002_four'] },
    ]);
    await expect(migrateToLatest(options)).rejects.toThrow(
      /20991231000002_four failed; nothing of its transaction was kept. Applied before it: 20991230000000_one, 20991230000001_two, 20991231000000_index/,
    );
    const there = `select to_regclass('public.' || name) is not null from unnest('{one,two,three}'::text[]) name`;
    expect(await column(there)).toEqual([true, true, false]);
  });
});
