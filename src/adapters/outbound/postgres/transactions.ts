import type { OpenTransaction, RequestContext } from '#src/application/context.ts';
import type { Run, Transactions, Work } from '#src/application/transactions.ts';
import type { Pool } from 'pg';
import { type PgTransaction, openTransaction } from './open-transaction.ts';
import { type SqlQuery, query } from './pool.ts';
import { sharedTransactions } from './shared-transactions.ts';
import { type SqlStatement, sqlOf, withContext } from './statement.ts';
import type { Wake } from './wake.ts';

/** @param wake not needed where nothing is queued */
export function postgresTransactions(pool: Pool, wake: Wake = () => {}): Transactions {
  const share = sharedTransactions(pool);

  async function single<T>(context: RequestContext, statement: SqlStatement<T>): Promise<T> {
    const shared = statement.shared?.(context);
    const value = await (shared
      ? share(shared, async () => await alone(context, statement))
      : alone(context, statement));
    wake(statement.wakes?.(value) ?? []);
    return value;
  }

  async function alone<T>(context: RequestContext, statement: SqlStatement<T>): Promise<T> {
    const [row] = await query(pool, withContext(statement, context));
    return statement.read(row?.['value']);
  }

  async function several<T>(context: RequestContext, work: (run: Run) => Promise<T>): Promise<T> {
    const transaction = await openTransaction(pool, wake);
    try {
      const done = await work(runIn(transaction, context));
      await transaction.commit();
      return done;
    } catch (error) {
      await transaction.rollBack();
      throw error;
    }
  }

  return {
    transaction(context, work) {
      if (context.transaction) return partOf(context.transaction, context, work);
      return typeof work === 'function' ? several(context, work) : single(context, sqlOf(work));
    },
  };
}

async function partOf<T>(open: OpenTransaction, context: RequestContext, work: Work<T>): Promise<T> {
  const transaction = open as PgTransaction;
  await transaction.query(SAVEPOINT);
  try {
    const run = runIn(transaction, context);
    const done = await (typeof work === 'function' ? work(run) : run(work));
    await transaction.query(RELEASE);
    return done;
  } catch (error) {
    // The first error says why; without its connection there is nothing to roll back.
    await Promise.allSettled([transaction.query(ROLLBACK)]);
    throw error;
  }
}

const runIn =
  (transaction: PgTransaction, context: RequestContext): Run =>
  async (statement) =>
    await transaction.run(context, sqlOf(statement));

const SAVEPOINT: SqlQuery = { text: 'savepoint part', values: [] };
const RELEASE: SqlQuery = { text: 'release part', values: [] };
const ROLLBACK: SqlQuery = { text: 'rollback to part', values: [] };
