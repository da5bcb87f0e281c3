-- Owner: platform
-- Compatibility: first release
--
-- What was answered to requests with an Idempotency-Key. The transaction of a request's effect holds its key by an advisory
-- lock from begin_idempotent on and stores the answer with end_idempotent: both are there or neither is, and whoever comes
-- meanwhile hears so at once. For 24 hours; then the key means nothing, and ops.maintain deletes the row.

create table ops.idempotency_key (
  scope       bytea       primary key,
  fingerprint bytea       not null,
  expires_at  timestamptz not null default now() + interval '24 hours',
  status      smallint    check (status between 200 and 499),  -- null: it was done, its answer was not kept
  headers     json,
  body        text        check (octet_length(body) <= 1048576)
);
create index idempotency_key_expiry on ops.idempotency_key (expires_at);

-- SHA-256 of the key with the caller and the operation: whoever else uses the same key means another one.
create function ops.idempotency_scope(p_operation text, p_key text) returns bytea
language sql stable
return sha256(convert_to(
  jsonb_build_array(ops.current_organization(), ops.current_actor(), p_operation, p_key)::text, 'UTF8'));

-- claimed: the caller is the first, and has the key until its transaction ends; in_use: another transaction has it;
-- reused: it stands for another request; done: what was answered. Two probes, of a lock and of the primary key.
create function ops.begin_idempotent(p_operation text, p_key text, p_fingerprint bytea,
  out state text, out status smallint, out headers json, out body text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_scope bytea := ops.idempotency_scope(p_operation, p_key);
  v_known ops.idempotency_key;
begin
  if not pg_try_advisory_xact_lock(('x' || encode(substring(v_scope for 8), 'hex'))::bit(64)::bigint) then
    state := 'in_use';
    return;
  end if;
  select * into v_known from ops.idempotency_key k where k.scope = v_scope and k.expires_at > now();
  if not found then
    state := 'claimed';
  elsif v_known.fingerprint <> p_fingerprint then
    state := 'reused';
  else
    state := 'done';
    status := v_known.status;
    headers := v_known.headers;
    body := v_known.body;
  end if;
end $$;

-- For whoever claimed the key in this transaction. An expired answer is replaced.
create function ops.end_idempotent(p_operation text, p_key text, p_fingerprint bytea, p_status integer, p_headers json, p_body text)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  insert into ops.idempotency_key (scope, fingerprint, status, headers, body)
  values (ops.idempotency_scope(p_operation, p_key), p_fingerprint, p_status, p_headers, p_body)
  on conflict (scope) do update set fingerprint = excluded.fingerprint, expires_at = excluded.expires_at,
    status = excluded.status, headers = excluded.headers, body = excluded.body;
$$;

do $$
declare
  v_api text := current_setting('dragonfly.api_role');
begin
  execute format('grant execute on function ops.begin_idempotent(text, text, bytea),
    ops.end_idempotent(text, text, bytea, integer, json, text) to %I', v_api);
end $$;
