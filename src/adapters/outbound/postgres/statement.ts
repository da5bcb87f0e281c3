import type { RequestContext } from '#src/application/context.ts';
import type { Statement } from '#src/application/transactions.ts';
import type { SqlQuery } from './pool.ts';
import type { Shared } from './shared-transactions.ts';

/** What a `Statement` is here: `text` is of `inContext`, `values` are its own. */
export interface SqlStatement<T> extends Statement<T>, SqlQuery {
  read(value: unknown): T;
  /** How it shares a transaction with those of other callers that come at the same time, if it may. */
  readonly shared?: (context: RequestContext) => Shared<T>;
  /** Types of which there may be jobs to run now, once it is committed, and of which the commit tells nobody. */
  readonly wakes?: (value: T) => readonly string[];
}

/** Every `Statement` that reaches this adapter was made by one of its stores. */
export const sqlOf = <T>(statement: Statement<T>): SqlStatement<T> => statement as SqlStatement<T>;

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

export const withContext = <T>(
  { name, text, values }: SqlStatement<T>,
  context: RequestContext,
): SqlQuery => ({
  name,
  text,
  values: [...values, context.traceId, context.organizationId, context.actor],
});
