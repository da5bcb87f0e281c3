import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';

/** An advisory lock of two numbers. The log of direct DDL knows the migrator by it, too. */
export const MIGRATION_LOCK = { space: 5527, id: 1 } as const;

const POLL_MS = 250;
const { space, id } = MIGRATION_LOCK;

interface Holder {
  readonly pid: number;
  readonly role: string;
  readonly application: string;
  readonly since: string;
}

/**
 * Works while no other runner does. The lock belongs to the session and is asked for again and again: who waits for it within a
 * statement has a snapshot, and `create index concurrently` of who holds it waits for all snapshots that are older.
 *
 * @throws Error that names who holds the lock for longer than `timeoutMs`
 */
export async function withMigrationLock<T>(
  session: Kysely<unknown>,
  timeoutMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isOurs(session))) {
    if (performance.now() + POLL_MS > deadline) throw new Error(refusal(await holderOf(session), timeoutMs));
    await sleep(POLL_MS);
  }
  const result = await work();
  // After a failure the session ends, and the lock with it.
  await sql`select pg_advisory_unlock(${sql.lit(space)}, ${sql.lit(id)})`.execute(session);
  return result;
}

async function isOurs(session: Kysely<unknown>): Promise<boolean> {
  const { rows } = await sql<{
    locked: boolean;
  }>`select pg_try_advisory_lock(${sql.lit(space)}, ${sql.lit(id)}) as locked`.execute(session);
  return rows[0]?.locked === true;
}

async function holderOf(session: Kysely<unknown>): Promise<Holder | undefined> {
  const { rows } = await sql<Holder>`
    select a.pid, a.usename as role, a.application_name as application,
           coalesce(to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'unknown') as since
      from pg_locks k join pg_stat_activity a using (pid)
     where k.locktype = 'advisory' and k.granted and k.database = (select oid from pg_database where datname = current_database())
       and k.classid = ${sql.lit(space)} and k.objid = ${sql.lit(id)} and k.objsubid = 2`.execute(session);
  return rows[0];
}

const refusal = (holder: Holder | undefined, timeoutMs: number): string =>
  holder === undefined
    ? `The migration lock was not to be had within ${timeoutMs / 1000} s, and nobody holds it now. Run the command again.`
    : [
        `The migration lock was not to be had within ${timeoutMs / 1000} s.`,
        `Process ${holder.pid} of PostgreSQL holds it: application ${JSON.stringify(holder.application)}, role ${holder.role}, connected since ${holder.since}.`,
        `If it migrates, wait for it and run the command again, or raise DRAGONFLY_MIGRATION_LOCK_TIMEOUT.`,
        `If its runner is gone: select pg_terminate_backend(${holder.pid}); the next run goes on where it was.`,
      ].join(' ');
