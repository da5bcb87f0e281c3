import type { AuditEntry } from '#src/domain/audit/entry.ts';
import type { Timestamp } from '#src/domain/jobs/job.ts';
import type { Statement } from '../transactions.ts';

export interface AuditFilter {
  readonly action?: string | undefined;
  readonly actor?: string | undefined;
  readonly from?: Timestamp | undefined;
  readonly before?: Timestamp | undefined;
}

/** Newest first. It may hold fewer entries than asked for, or none, although there are more. */
export interface AuditPage {
  readonly entries: AuditEntry[];
  /** The id after which the next page starts; undefined on the last one. */
  readonly next: number | undefined;
}

export interface AuditStore {
  /** Of the organisation of the transaction's context. */
  listEntries(filter: AuditFilter, after: number | undefined, limit: number): Statement<AuditPage>;
}
