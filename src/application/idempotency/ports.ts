import type { OpenTransaction, RequestContext } from '../context.ts';

/** What a client wants done at most once. Its key belongs to the principal and to the operation. */
export interface KeyedRequest {
  /** Method and path. */
  readonly operation: string;
  readonly key: string;
  /** SHA-256 of all that was asked, in hex. */
  readonly fingerprint: string;
}

/** As it went to the client. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: string | undefined;
}

/** What is done of a request, in a transaction that has its key until it ends. */
export interface Execution {
  readonly transaction: OpenTransaction;
  /**
   * Commits what was done together with its answer, if that may be kept.
   *
   * @throws DomainError `database_unavailable`: nobody knows then whether it was committed
   */
  commit(answer: Answer | undefined): Promise<void>;
  /** As if it had never been asked. Does nothing once it has ended. */
  rollBack(): Promise<void>;
}

export type Claim =
  | { readonly state: 'claimed'; readonly execution: Execution }
  /** Another transaction has the key. */
  | { readonly state: 'in_use' }
  /** The key stands for another request. */
  | { readonly state: 'reused' }
  /** Without an answer where that was not kept. */
  | { readonly state: 'done'; readonly answer: Answer | undefined };

export interface IdempotencyStore {
  /** Never waits for another request with the key. @throws DomainError `database_unavailable` */
  claim(context: RequestContext, request: KeyedRequest): Promise<Claim>;
}
