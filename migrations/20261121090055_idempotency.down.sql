-- Loses: the answers that are kept for repeated requests; a request repeated after it has its effect again

drop function ops.end_idempotent(text, text, bytea, integer, json, text);
drop function ops.begin_idempotent(text, text, bytea);
drop function ops.idempotency_scope(text, text);
drop table ops.idempotency_key;
