import { AUDIT_OUTCOMES, type AuditEntry } from '#src/domain/audit/entry.ts';
import { z } from 'zod';
import { formatted, integer } from './response-types.ts';

export const auditEntry = z
  .object({
    id: integer(),
    at: formatted('date-time'),
    actor: z.string().describe('Who acted: `api_key:<id>`, or `role:<name>` for somebody at the database.'),
    action: z.string(),
    target: z.string().nullable().describe('What it was done to: an id or a name.'),
    outcome: z.enum(AUDIT_OUTCOMES),
    trace_id: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });

export const toAuditEntry = (from: AuditEntry): z.output<typeof auditEntry> => ({
  id: from.id,
  at: from.at,
  actor: from.actor,
  action: from.action,
  target: from.target,
  outcome: from.outcome,
  trace_id: from.traceId,
  detail: from.detail,
});
