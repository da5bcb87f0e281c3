import type { OpenTransaction, RequestContext } from '#src/application/context.ts';
import type { Pool } from 'pg';
import { translateError } from './errors.ts';
import { type Row, type SqlQuery, openSession } from './pool.ts';
import { type SqlStatement, withContext } from './statement.ts';

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

/** Takes a connection of the pool until the transaction ends. @throws DomainError `database_unavailable` */
export async function openTransaction(pool: Pool): Promise<PgTransaction> {
  const session = await openSession(pool);
  let isOpen = true;

  async function query(statement: SqlQuery): Promise<Row[]> {
    // By now the connection may be somebody else's.
    if (!isOpen) throw translateError(new Error('The transaction has ended.'));
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
      return statement.read(row?.['value']);
    },
    async commit() {
      const committed = query(COMMIT);
      isOpen = false;
      await committed.finally(() => {
        session.close();
      });
    },
    rollBack,
  };
}

const BEGIN: SqlQuery = { text: 'begin', values: [] };
const COMMIT: SqlQuery = { text: 'commit', values: [] };
const ROLLBACK: SqlQuery = { text: 'rollback', values: [] };
