import type { AuditPage, AuditStore } from '#src/application/audit/ports.ts';
import type { AuditEntry } from '#src/domain/audit/entry.ts';
import { fixed, toTime } from './fixed-statement.ts';
import type { Row } from './pool.ts';

/** Entries that a page looks at when it asks for some of them only, however rare they are. */
const MOST_SEEN = 2000;

/** Along the index (organization_id, at, id). */
const listEntries = fixed(
  'list_audit_entries',
  `with seen as materialized (
     select * from ops.audit
      where (at, id) < (case when $1::bigint is null then 'infinity' else (select a.at from ops.audit a where a.id = $1) end, coalesce($1, 0))
        and at >= coalesce($2::timestamptz, '-infinity') and at < coalesce($3::timestamptz, 'infinity')
      order by at desc, id desc limit $4::integer
   ), fit as materialized (
     select * from seen where ($5::text is null or action = $5) and ($6::text is null or actor = $6)
      order by at desc, id desc limit $7::integer
   )
   select json_build_object(
     'entries', (select coalesce(json_agg(f order by f.at desc, f.id desc), '[]') from fit f),
     'next', case when (select count(*) from fit) = $7 then (select f.id from fit f order by f.at, f.id limit 1)
                  when (select count(*) from seen) = $4 then (select s.id from seen s order by s.at, s.id limit 1) end)`,
  7,
  (value): AuditPage => {
    const { entries, next } = value as { entries: Row[]; next: number | null };
    return { entries: entries.map(toEntry), next: next ?? undefined };
  },
);

export const postgresAuditStore: AuditStore = {
  listEntries({ action, actor, from, before }, after, limit) {
    const isFiltered = action !== undefined || actor !== undefined;
    return listEntries([after, from, before, isFiltered ? MOST_SEEN : limit, action, actor, limit]);
  },
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
