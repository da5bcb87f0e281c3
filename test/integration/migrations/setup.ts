import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeEach } from 'vitest';
import { readMigrations } from '#src/adapters/outbound/postgres/migrations.ts';
import {
  MIGRATIONS_FOLDER,
  type MigrateOptions,
  migrateDown,
} from '#src/adapters/outbound/postgres/migrator.ts';
import { testDatabase } from '../../support/database.ts';

/** A migrated database, and a folder of migrations for it that each test may change. */
export async function setUp() {
  const database = await testDatabase();
  const { urls } = database;
  const owner = new Client({ connectionString: urls.owner });
  await owner.connect();
  const folder = await mkdtemp(path.join(tmpdir(), 'migrations-'));
  const names = (await readMigrations(MIGRATIONS_FOLDER)).map(({ name }) => name);
  afterAll(async () => {
    await owner.end();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    await rm(folder, { recursive: true });
    await cp(MIGRATIONS_FOLDER, folder, { recursive: true });
  });

  const nameOf = (role: 'api' | 'worker' | 'readonly'): string => new URL(urls[role]).username;
  const roles = { api: nameOf('api'), worker: nameOf('worker'), readonly: nameOf('readonly') };
  const options: MigrateOptions & { folder: string } = { databaseUrl: urls.owner, roles, folder };
  return {
    database,
    owner,
    folder,
    names,
    options,
    async write(name: string, up: string, down = 'select;'): Promise<void> {
      await writeFile(path.join(folder, `${name}.up.sql`), up);
      await writeFile(path.join(folder, `${name}.down.sql`), down);
    },
    async revertTo(name: string): Promise<void> {
      for (;;) {
        const { rows } = await owner.query<{ name: string }>(
          'select max(name) as name from migration.applied',
        );
        if (rows[0]?.name === name) return;
        await migrateDown(options);
      }
    },
  };
}
