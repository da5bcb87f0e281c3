import type { JsonValue, Timestamp } from '../jobs/job.ts';

export const AUDIT_OUTCOMES = ['done', 'unchanged', 'not_found'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** One administrative act, written with the act itself and never changed. */
export interface AuditEntry {
  readonly id: number;
  readonly at: Timestamp;
  /** Who acted: `api_key:<id>`, or `role:<name>` for somebody at the database. */
  readonly actor: string;
  /** What was done, as `<kind of target>.<verb>`. */
  readonly action: string;
  /** What it was done to: an id or a name. */
  readonly target: string | null;
  readonly outcome: AuditOutcome;
  readonly traceId: string | null;
  readonly detail: Readonly<Record<string, JsonValue>>;
}
