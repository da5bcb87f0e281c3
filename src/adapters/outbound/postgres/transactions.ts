import type { RequestContext } from '#src/application/context.ts';
import type { Run, Statement, Transactions } from '#src/application/transactions.ts';
import type { Pool } from 'pg';
import { type SqlQuery, query, withSession } from './pool.ts';
import { type Shared, sharedTransactions } from './shared-transactions.ts';

/** What a `Statement` is here: `text` is of `inContext`, `values` are its own. */
export interface SqlStatement<T> extends Statement<T>, SqlQuery {
  read(value: unknown): T;
  /** How it shares a transaction with those of other callers that come at the same time, if it may. */
  readonly shared?: (context: RequestContext) => Shared<T>;
}

/**
 * Gives a query the context as transaction-local settings, in the same round trip: `case` makes the server set them before
 * it looks at the query. One row of one column, so that the client has next to nothing to do for it.
 *
 * @param text of a query of one value; its parameters are followed by trace id, organisation and actor
 */
export const inContext = (text: string, parameters: number): string =>
  `select case when set_config('ops.trace_id', $${parameters + 1}, true) is not null
     and set_config('ops.organization_id', $${parameters + 2}, true) is not null
     and set_config('ops.actor', $${parameters + 3}, true) is not null
  then (${text}) end as value`;

export function postgresTransactions(pool: Pool): Transactions {
  const share = sharedTransactions(pool);

  async function single<T>(context: RequestContext, statement: SqlStatement<T>): Promise<T> {
    const shared = statement.shared?.(context);
    return await (shared
      ? share(shared, async () => await alone(context, statement))
      : alone(context, statement));
  }

  async function alone<T>(context: RequestContext, statement: SqlStatement<T>): Promise<T> {
    const [row] = await query(pool, withContext(statement, context));
    return statement.read(row?.['value']);
  }

  async function several<T>(context: RequestContext, work: (run: Run) => Promise<T>): Promise<T> {
    return await withSession(pool, async (session) => {
      await session.query(BEGIN);
      try {
        const done = await work(async (statement) => {
          const sql = sqlOf(statement);
          const [row] = await session.query(withContext(sql, context));
          return sql.read(row?.['value']);
        });
        await session.query(COMMIT);
        return done;
      } catch (error) {
        // A lost connection has rolled back already. One that is lost by this is not used again; the first error says why.
        if (!session.broken) await Promise.allSettled([session.query(ROLLBACK)]);
        throw error;
      }
    });
  }

  return {
    transaction: (context, work) =>
      typeof work === 'function' ? several(context, work) : single(context, sqlOf(work)),
  };
}

const withContext = <T>({ name, text, values }: SqlStatement<T>, context: RequestContext): SqlQuery => ({
  name,
  text,
  values: [...values, context.traceId, context.organizationId, context.actor],
});

const BEGIN: SqlQuery = { text: 'begin', values: [] };
const COMMIT: SqlQuery = { text: 'commit', values: [] };
const ROLLBACK: SqlQuery = { text: 'rollback', values: [] };

/** Every `Statement` that reaches this adapter was made by one of its stores. */
const sqlOf = <T>(statement: Statement<T>): SqlStatement<T> => statement as SqlStatement<T>;
