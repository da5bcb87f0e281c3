import type { RequestContext } from '#src/application/context.ts';
import type { Run, Statement, Transactions } from '#src/application/transactions.ts';
import type { Pool } from 'pg';
import { type Row, type SqlQuery, query, withSession } from './pool.ts';

/** What a `Statement` is here. */
export interface SqlStatement<T> extends Statement<T>, SqlQuery {
  read(rows: Row[]): T;
}

/**
 * Gives a statement the context as transaction-local settings, in the same round trip. The lateral join makes the
 * server set them before it looks at the statement; `offset 0` keeps the planner from pulling the two together.
 */
function inContext({ name, text, values }: SqlQuery, context: RequestContext): SqlQuery {
  const next = values.length + 1;
  return {
    ...(name && { name }),
    text: `with context as materialized (
  select set_config('ops.trace_id', $${next}, true), set_config('ops.organization_id', $${next + 1}, true),
         set_config('ops.actor', $${next + 2}, true) as actor
)
select statement.* from context cross join lateral (
  select inner_statement.* from (${text}) inner_statement where context.actor is not null offset 0
) statement`,
    values: [...values, context.traceId, context.organizationId, context.actor],
  };
}

export const postgresTransactions = (pool: Pool): Transactions => ({
  async transaction<T>(context: RequestContext, work: Statement<T> | ((run: Run) => Promise<T>)): Promise<T> {
    if (typeof work === 'function') return await several(pool, context, work);
    const statement = sqlOf(work);
    return statement.read(await query(pool, inContext(statement, context)));
  },
});

const several = async <T>(pool: Pool, context: RequestContext, work: (run: Run) => Promise<T>): Promise<T> =>
  await withSession(pool, async (session) => {
    await session.query(BEGIN);
    try {
      const result = await work(async (statement) => {
        const sql = sqlOf(statement);
        return sql.read(await session.query(inContext(sql, context)));
      });
      await session.query(COMMIT);
      return result;
    } catch (error) {
      // A lost connection has rolled back already. One that is lost by this is not used again; the first error says why.
      if (!session.broken) await Promise.allSettled([session.query(ROLLBACK)]);
      throw error;
    }
  });

const BEGIN: SqlQuery = { text: 'begin', values: [] };
const COMMIT: SqlQuery = { text: 'commit', values: [] };
const ROLLBACK: SqlQuery = { text: 'rollback', values: [] };

/** Every `Statement` that reaches this adapter was made by one of its stores. */
const sqlOf = <T>(statement: Statement<T>): SqlStatement<T> => statement as SqlStatement<T>;
