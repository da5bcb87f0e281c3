import type { Principal } from '#src/domain/access/principal.ts';

/** What goes with every use case into logs, SQL and jobs. */
export interface RequestContext extends Pick<Principal, 'actor' | 'organizationId'> {
  /** 32 lower-case hex digits, as in W3C Trace Context. */
  readonly traceId: string;
}
