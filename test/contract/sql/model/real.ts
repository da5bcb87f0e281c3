import { expect } from 'vitest';
import { ORGANIZATION, type connectQueue } from '../queue.ts';
import type { Session, Sql } from '../roles.ts';
import { isLost, returned } from './job.ts';
import { SESSIONS, type Waits, type World } from './world.ts';

/** A statement that waits longer than this waits for a transaction that only the model could end. */
const LOCK_TIMEOUT = '40ms';
const LOCK_NOT_AVAILABLE = '55P03';

export type Queue = Awaited<ReturnType<typeof connectQueue>>;

export interface Real {
  readonly queue: Queue;
  readonly sessions: Session[];
}

/** As the superuser, so that one transaction can hold acts of clients and of workers. Grants have tests of their own. */
export async function connectSession({ session }: Queue): Promise<Session> {
  const made = await session('admin');
  await made.sql`
    select set_config('ops.organization_id', ${ORGANIZATION}, false), set_config('lock_timeout', ${LOCK_TIMEOUT}, false)`;
  return made;
}

export const connectReal = async (queue: Queue): Promise<Real> => ({
  queue,
  sessions: await Promise.all(Array.from({ length: SESSIONS }, async () => await connectSession(queue))),
});

/** Ends what a sequence that failed has left open. */
export async function reset({ queue, sessions }: Real): Promise<void> {
  for (const [number, { sql }] of sessions.entries()) {
    await sql`rollback`.catch(async () => {
      sessions[number] = await connectSession(queue);
    });
  }
  await queue.owner`select ops.unfreeze_queues()`;
}

export function sessionOf({ sessions }: Real, number: number): Session {
  const session = sessions[number];
  if (!session) throw new Error(`There is no session ${number}.`);
  return session;
}

export const sqlOf = (real: Real, session: number): Sql => sessionOf(real, session).sql;

interface Ask {
  readonly session: number;
  readonly waits: Waits;
  /** The SQLSTATE with which the statement must be refused, unless it waits. */
  readonly refusal?: string | undefined;
}

/** The answer of a statement, or undefined if it was refused, as it must be, and changed nothing. */
export async function ask<T>(
  world: World,
  real: Real,
  { session, waits, refusal }: Ask,
  act: (sql: Sql) => Promise<T>,
): Promise<T | undefined> {
  const sql = sqlOf(real, session);
  if (waits === 'never' && refusal === undefined) return await act(sql);
  const open = world.isOpen(session);
  if (open) await sql`savepoint ask`;
  const answer = await act(sql).then(
    (value) => ({ value, code: undefined }),
    (error: unknown) => ({ value: undefined, code: (error as { code?: string }).code ?? String(error) }),
  );
  if (open && answer.code !== undefined) await sql`rollback to ask`;
  if (open) await sql`release ask`;
  if (waits !== 'never' && answer.code === LOCK_NOT_AVAILABLE) return undefined;
  expect(answer.code, 'the SQLSTATE of the refusal').toBe(refusal);
  expect(waits, 'whether the statement waits for another transaction').not.toBe('must');
  return answer.value;
}

/** Lost jobs may go back to the queue with any claim, and need not. Looks which did. */
export async function learnOfLost(world: World, sql: Sql, session?: number): Promise<void> {
  const lost = world.seen(session).filter((job) => isLost(job) && !world.changedByOthers(session, job.id));
  if (lost.length === 0) return;
  const rows = await sql<{ id: string; status: string }>`
    select id, status from ops.jobs where id = any (${lost.map(({ id }) => id)}) and status <> 'processing'`;
  for (const { id, status } of rows) {
    const job = world.see(session, id);
    if (!job) continue;
    expect({ id, status }).toEqual({ id, status: returned(job).status });
    world.put(session, returned(job));
  }
}
