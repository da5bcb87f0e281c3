import type { RequestContext } from './context.ts';

/**
 * One statement, not yet sent. To await it sends it in the open transaction. A unit of work that returns it without
 * awaiting it lets the adapter send it as the whole transaction, in one round trip.
 */
export type Statement<T> = PromiseLike<T>;

export interface Transactions<Stores> {
  /**
   * Runs `work` in one transaction that carries the context's trace id, organisation and actor. Commits when `work`
   * fulfils, rolls back when it throws.
   *
   * @throws DomainError `database_unavailable` when no connection is to be had or it was lost
   */
  transaction<T>(context: RequestContext, work: (stores: Stores) => PromiseLike<T>): Promise<T>;
}
