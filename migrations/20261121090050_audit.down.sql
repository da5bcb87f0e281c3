-- Loses: the audit log with its seals

drop function ops.scan_audit(text, text, timestamptz, timestamptz, bigint, integer);
drop view ops.audit;
drop function ops.prune(interval);
drop function ops.prune_audit_log(interval);
drop function ops.prune_api_keys();
drop policy ended on public.api_key;
drop function ops.audit_unsealed_age();
drop function ops.seal_audit_log(integer);
drop function ops.audit_digest(ops.audit_log);
drop function ops.audit_field(text);
drop function ops.audit_outcome(bigint);
drop function ops.audit(text, text, text, jsonb, uuid);
drop table ops.audit_seal;
drop table ops.audit_unsealed;
drop table ops.audit_log;
drop function ops.refuse_change();
