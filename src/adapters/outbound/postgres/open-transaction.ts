import type { OpenTransaction, RequestContext } from '#src/application/context.ts';
import type { Pool } from 'pg';
import { translateError } from './errors.ts';
import { type Row, type SqlQuery, openSession } from './pool.ts';
import { type SqlStatement, withContext } from './statement.ts';
import type { Wake } from './wake.ts';

/** What an `OpenTransaction` is here. Once it has ended it holds no connection, and refuses every statement. */
export interface PgTransaction extends OpenTransaction {
  /** @throws like `Session.query` */
  query(statement: SqlQuery): Promise<Row[]>;
  run<T>(context: RequestContext, statement: SqlStatement<T>): Promise<T>;
  /** @throws DomainError `database_unavailable`: nobody knows then whether it was committed */
  commit(): Promise<void>;
  /** After what is under way. Does nothing once it has ended. */
  rollBack(): Promise<void>;
}

/**
 * Takes a connection of the pool until the transaction ends; wakes workers for what its statements queued when it has committed.
 *
 * @throws DomainError `database_unavailable`
 */
export async function openTransaction(pool: Pool, wake: Wake): Promise<PgTransaction> {
  const session = await openSession(pool);
  const queued = new Set<string>();
  let isOpen = true;

  /** By then the connection may be somebody else's. */
  function refuseEnded(): void {
    if (!isOpen) throw translateError(new Error('The transaction has ended.'));
  }
  async function query(statement: SqlQuery): Promise<Row[]> {
    refuseEnded();
    return await session.query(statement);
  }
  async function rollBack(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    // A lost connection has rolled back already, and one that is lost by this is not used again.
    if (!session.broken) await Promise.allSettled([session.query(ROLLBACK)]);
    session.close();
  }

  try {
    await query(BEGIN);
  } catch (error) {
    await rollBack();
    throw error;
  }
  return {
    query,
    async run(context, statement) {
      const [row] = await query(withContext(statement, context));
      const value = statement.read(row?.['value']);
      for (const type of statement.wakes?.(value) ?? []) queued.add(type);
      return value;
    },
    async commit() {
      refuseEnded();
      isOpen = false;
      await session.query(COMMIT).finally(() => {
        session.close();
      });
      wake(queued);
    },
    rollBack,
  };
}

const BEGIN: SqlQuery = { text: 'begin', values: [] };
const COMMIT: SqlQuery = { text: 'commit', values: [] };
const ROLLBACK: SqlQuery = { text: 'rollback', values: [] };
