import type { RequestContext } from './context.ts';

declare const result: unique symbol;

/** One statement, not yet sent; a value that a store makes and a transaction runs. */
export interface Statement<T> {
  readonly [result]?: T;
}

export type Run = <T>(statement: Statement<T>) => Promise<T>;

export type Work<T> = Statement<T> | ((run: Run) => Promise<T>);

export interface Transactions {
  /**
   * Runs `work` in one transaction that carries the context's trace id, organisation and actor: a single statement in
   * one round trip, or a function over several, committed when it fulfils and rolled back when it rejects. Where the context
   * has an open transaction it is a part of that, one after the other, and rolled back alone when it rejects.
   *
   * @throws DomainError `database_unavailable` when no connection is to be had or it was lost
   */
  transaction<T>(context: RequestContext, work: Work<T>): Promise<T>;
}
