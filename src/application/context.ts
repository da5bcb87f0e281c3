import type { Principal } from '#src/domain/access/principal.ts';

declare const open: unique symbol;

/** A transaction that somebody else began and ends. */
export interface OpenTransaction {
  readonly [open]?: never;
}

/** What goes with every use case into logs, SQL and jobs. */
export interface RequestContext extends Pick<Principal, 'actor' | 'organizationId'> {
  /** 32 lower-case hex digits, as in W3C Trace Context. */
  readonly traceId: string;
  /** Of a request that is done at most once: its effect is in it. */
  readonly transaction?: OpenTransaction | undefined;
}
