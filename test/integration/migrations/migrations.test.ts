import { appendFile, cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readMigrations } from '#src/adapters/outbound/postgres/migrations.ts';
import {
  MIGRATIONS_FOLDER,
  migrateDown,
  migrateToLatest,
  migrationStatus,
} from '#src/adapters/outbound/postgres/migrator.ts';
import { catalogOf } from '#src/adapters/outbound/postgres/catalog.ts';
import { testDatabase } from '../../support/database.ts';

const { urls } = await testDatabase();
const owner = new Client({ connectionString: urls.owner });
await owner.connect();
const folder = await mkdtemp(path.join(tmpdir(), 'migrations-'));
afterAll(async () => {
  await owner.end();
  await rm(folder, { recursive: true });
});

const nameOf = (role: 'api' | 'worker' | 'readonly'): string => new URL(urls[role]).username;
const options = {
  databaseUrl: urls.owner,
  roles: { api: nameOf('api'), worker: nameOf('worker'), readonly: nameOf('readonly') },
};
const files = await readdir(MIGRATIONS_FOLDER);
const names = (await readMigrations(MIGRATIONS_FOLDER)).map(({ name }) => name);
const last = names.at(-1) ?? '';

/** A folder that the test may change. */
beforeEach(async () => {
  await rm(folder, { recursive: true });
  await cp(MIGRATIONS_FOLDER, folder, { recursive: true });
});

async function revertAll(): Promise<string[]> {
  const { reverted } = await migrateDown(options);
  return reverted.length === 0 ? [] : [...reverted, ...(await revertAll())];
}

describe('[DATA-1] a migration', () => {
  it.for(files)('%s is named after the time that it was made', (file) => {
    const { groups } = /^(?<time>\d{14})_[a-z0-9_]+\.(?:up|down)\.sql$/.exec(file) ?? {};
    const iso = (groups?.['time'] ?? '').replace(/(....)(..)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5:$6');
    expect(new Date(`${iso}Z`).toISOString()).toBe(`${iso}.000Z`);
  });

  it.for(names)('%s has both directions and states its owner and compatibility', async (name) => {
    const [ownerLine, compatibility] = (
      await readFile(path.join(MIGRATIONS_FOLDER, `${name}.up.sql`), 'utf8')
    ).split('\n');
    expect(ownerLine).toMatch(/^-- Owner: \S/);
    expect(compatibility).toMatch(/^-- Compatibility: \S/);
    expect((await readFile(path.join(MIGRATIONS_FOLDER, `${name}.down.sql`), 'utf8')).trim()).not.toBe('');
  });

  it('has a schema that states its owner', async () => {
    const { rows } = await owner.query(`select obj_description('ops'::regnamespace) as comment`);
    expect(rows).toEqual([{ comment: expect.stringMatching(/^Owner: \S/) }]);
  });

  it.for([
    ['the name is not {yyyyMMddHHmmss}_{description}', '1_short.up.sql'],
    ['one direction is missing', '20991231000000_one_way.up.sql'],
  ] as const)('is refused when %s', async ([, file]) => {
    await writeFile(path.join(folder, file), 'select 1');
    const work = migrateToLatest({ ...options, folder });
    await expect(work).rejects.toThrow(file.replace('.up.sql', ''));
  });

  it('that fails leaves nothing behind', async () => {
    const before = await catalogOf(owner);
    await writeFile(
      path.join(folder, '20991231000000_broken.up.sql'),
      'create table ops.half (); select 1 / 0;',
    );
    await writeFile(path.join(folder, '20991231000000_broken.down.sql'), 'drop table ops.half;');
    await expect(migrateToLatest({ ...options, folder })).rejects.toThrow('20991231000000_broken');
    expect(await catalogOf(owner)).toEqual(before);
    expect((await migrationStatus(options)).map(({ name }) => name)).toEqual(names);
  });
});

it('[DATA-3] up, down and up again leave the same schema, and down leaves nothing', async () => {
  const before = await catalogOf(owner);
  expect(await revertAll()).toEqual(names.toReversed());
  const ours = (await catalogOf(owner)).filter((line) => !/ migration\b/.test(line));
  const givenByServer = /^(?:extension|(?:owner of |grants on )?schema public|comment on schema public)/;
  expect(ours).toEqual(before.filter((line) => givenByServer.test(line)));
  expect(await migrateToLatest(options)).toEqual({ applied: names });
  expect(await catalogOf(owner)).toEqual(before);
});

it('[DATA-1] runners that start at once on an empty database apply each migration once', async () => {
  const before = await catalogOf(owner);
  await revertAll();
  await owner.query('drop schema migration cascade');
  const runs = await Promise.all(Array.from({ length: 4 }, async () => await migrateToLatest(options)));
  expect(runs.flatMap(({ applied }) => applied)).toEqual(names);
  expect(await catalogOf(owner)).toEqual(before);
  expect(await migrateToLatest(options)).toEqual({ applied: [] });
});

describe('[DATA-2] an applied migration', () => {
  it.for(['up', 'down'])(
    'whose %s step was edited is refused, and nothing pending is applied',
    async (step) => {
      await appendFile(path.join(folder, `${last}.${step}.sql`), '-- one more line\n');
      await writeFile(path.join(folder, '20991231000000_next.up.sql'), 'create table ops.next ();');
      await writeFile(path.join(folder, '20991231000000_next.down.sql'), 'drop table ops.next;');
      await expect(migrateToLatest({ ...options, folder })).rejects.toThrow(last);
      const { rows } = await owner.query(`select to_regclass('ops.next') as next`);
      expect(rows).toEqual([{ next: null }]);
    },
  );

  it('that this build does not know is named', async () => {
    for (const direction of ['up', 'down']) await rm(path.join(folder, `${last}.${direction}.sql`));
    await expect(migrateToLatest({ ...options, folder })).rejects.toThrow(last);
  });
});
