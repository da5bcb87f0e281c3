import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatabaseUrls, bootstrapDatabase, migrateDatabase } from '#dev/database.ts';
import { type State, loadState, newState } from '#dev/state.ts';
import { type Client, Client as PostgresClient, escapeIdentifier } from 'pg';
import { afterAll, expect, inject, it } from 'vitest';
import { asAdmin } from '#test/support/cluster.ts';
import '#test/support/servers.ts';

const { adminUrl } = inject('cluster');
/** Two checkouts that share a server. */
const [ours, theirs] = [newState(), newState()];
afterAll(async () => {
  await asAdmin(adminUrl, async (admin) => {
    for (const { name, passwords } of [ours, theirs]) {
      await admin.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
      for (const role of Object.keys(passwords))
        await admin.query(`drop role if exists ${escapeIdentifier(`${name}_${role}`)}`);
    }
  });
});

it('[SEC-12] npm run dev changes no role and no database of others, not even with --reset', async () => {
  const before = await asAdmin(adminUrl, inventory);
  await dev(ours, false);
  const urls = await dev(theirs, false);
  await query(urls.owner, 'create table kept ()');
  await dev(ours, true);

  const after = await asAdmin(adminUrl, inventory);
  expect(after.filter(({ name }) => !isOf(name, ours) && !isOf(name, theirs))).toEqual(before);
  expect(after.filter(({ name }) => isOf(name, ours))).toHaveLength(5);
  expect(await query(urls.owner, 'select from kept')).toEqual([]);
});

it('refuses a state that names a database of others', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dragonfly-state-'));
  writeFileSync(join(folder, 'state.json'), JSON.stringify({ ...newState(), name: 'dragonfly' }));
  expect(() => loadState(folder)).toThrow('cannot be read; remove it to get a new database');
  rmSync(folder, { recursive: true });
});

async function dev(state: State, reset: boolean): Promise<DatabaseUrls> {
  const urls = await bootstrapDatabase(adminUrl, state, reset);
  await migrateDatabase(urls);
  return urls;
}

const isOf = (name: string, state: State): boolean => name.startsWith(state.name);

/** Every role with its password's hash and every database with its owner, but for those of test files. */
async function inventory(admin: Client): Promise<{ name: string }[]> {
  const { rows } = await admin.query<{ name: string }>(`
    select 'role' as kind, rolname as name, rolpassword as detail from pg_authid
    union all
    select 'database', datname, pg_get_userbyid(datdba) from pg_database
    order by 1, 2`);
  return rows.filter(({ name }) => !/^(?:pg_|dragonfly_test_)/.test(name));
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new PostgresClient({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<object>(text);
  await client.end();
  return rows;
}
