import type { AuditPage, AuditStore } from '#src/application/audit/ports.ts';
import type { AuditEntry } from '#src/domain/audit/entry.ts';
import { fixed, toTime } from './fixed-statement.ts';
import type { Row } from './pool.ts';

const scanAudit = fixed(
  'scan_audit',
  `select json_build_object('next', page.next, 'entries', (
     select coalesce(json_agg(one order by at desc, id desc), '[]') from ops.audit one where id = any (page.ids)))
   from ops.scan_audit($1, $2, $3, $4, $5, $6) page`,
  6,
  (value): AuditPage => {
    const { entries, next } = value as { entries: Row[]; next: number | null };
    return { entries: entries.map(toEntry), next: next ?? undefined };
  },
);

export const postgresAuditStore: AuditStore = {
  listEntries: ({ action, actor, from, before }, after, limit) =>
    scanAudit([action, actor, from, before, after, limit]),
};

const toEntry = (row: Row): AuditEntry => ({
  id: row['id'] as AuditEntry['id'],
  at: toTime(row['at']),
  actor: row['actor'] as AuditEntry['actor'],
  action: row['action'] as AuditEntry['action'],
  target: row['target'] as AuditEntry['target'],
  outcome: row['outcome'] as AuditEntry['outcome'],
  traceId: row['trace_id'] as AuditEntry['traceId'],
  detail: row['detail'] as AuditEntry['detail'],
});
