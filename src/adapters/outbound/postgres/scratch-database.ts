import { randomBytes } from 'node:crypto';
import { type ClientBase, escapeIdentifier } from 'pg';
import { withPool } from './with-pool.ts';

export interface ScratchOptions {
  /** As somebody who may create databases; the database in it is only a place to stand. */
  readonly adminUrl: string;
  /** Whose the database is to be, on the same server. */
  readonly ownerUrl: string;
}

/** PostgreSQL cuts names after 63 bytes. */
const LONGEST_NAME = 40;
/** Of advisory locks, beside that of releases. */
const SPACE = 5529;

/**
 * An empty database on the server of an environment, with its versions and roles, which is gone afterwards. Its name begins with that
 * of the live one. A lock of the session tells that somebody works with it; what a process that was killed has left goes first.
 */
export async function withScratchDatabase<T>(
  { adminUrl, ownerUrl }: ScratchOptions,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const url = new URL(ownerUrl);
  const prefix = `${decodeURIComponent(url.pathname.slice(1)).slice(0, LONGEST_NAME)}_scratch_`;
  const name = `${prefix}${randomBytes(4).toString('hex')}`;
  const database = escapeIdentifier(name);
  const owner = escapeIdentifier(decodeURIComponent(url.username));
  url.pathname = `/${name}`;
  return await withPool({ url: adminUrl }, 'dragonfly-scratch', async (pool) => {
    const admin = await pool.connect();
    try {
      await dropLeft(admin, prefix);
      await admin.query('select pg_advisory_lock($1, hashtext($2))', [SPACE, name]);
      await admin.query(`create database ${database} owner ${owner} template template0`);
      try {
        await admin.query(`revoke all on database ${database} from public`);
        return await work(url.href);
      } finally {
        await admin.query(`drop database ${database} with (force)`);
      }
    } finally {
      // With its connection the lock ends, too.
      admin.release(true);
    }
  });
}

async function dropLeft(admin: ClientBase, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    `select datname as name from pg_database where starts_with(datname, $1) and substr(datname, length($1) + 1) ~ '^[0-9a-f]{8}$'`,
    [prefix],
  );
  for (const { name } of rows) {
    const locked = await admin.query<{ free: boolean }>(
      'select pg_try_advisory_lock($1, hashtext($2)) as free',
      [SPACE, name],
    );
    if (locked.rows[0]?.free === true)
      await admin.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
  }
}
