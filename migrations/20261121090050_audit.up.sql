-- Owner: platform
-- Compatibility: first release
--
-- The audit log: every administrative act, written in the transaction of the act, and never changed. Entries are sealed into
-- a chain of hashes in batches, so that writers never wait for each other. See docs/architecture/audit.md.

create table ops.audit_log (
  id              bigint      generated always as identity primary key,
  at              timestamptz not null,
  organization_id uuid,
  actor           text        not null check (length(actor) between 1 and 200),
  action          text        not null check (length(action) <= 100 and action ~ '^[a-z_]+\.[a-z_]+$'),
  target          text        check (length(target) <= 200),
  outcome         text        not null check (outcome in ('done', 'unchanged', 'not_found')),
  trace_id        text        check (length(trace_id) <= 100),
  detail          jsonb       not null check (jsonb_typeof(detail) = 'object' and octet_length(detail::text) <= 4096)
);
create index audit_log_newest on ops.audit_log (organization_id, at, id);

-- The ids of entries that no seal has yet. An entry may become visible after one with a higher id: it is here until it is
-- sealed, whenever that is, and a transaction that rolls back leaves nothing.
create table ops.audit_unsealed (
  id bigint primary key
);

-- A link of the chain. `digests` are those of its entries, in the order of `ids`.
create table ops.audit_seal (
  seq           bigint      primary key check (seq > 0),
  sealed_at     timestamptz not null,
  ids           bigint[]    not null check (cardinality(ids) > 0),
  digests       bytea[]     not null check (cardinality(digests) = cardinality(ids)),
  previous_hash bytea       check ((previous_hash is null) = (seq = 1)),
  hash          bytea       not null
);

create function ops.refuse_change() returns trigger
language plpgsql
as $$
begin
  raise exception 'ops.% is append-only', tg_table_name using errcode = '42501';
end $$;

-- For the owner, too. `always`: also for a session that replays changes, for which triggers are silent otherwise.
-- Only ops.prune deletes, and not even it what is younger than 90 days.
create trigger append_only before update or truncate on ops.audit_log execute function ops.refuse_change();
alter table ops.audit_log enable always trigger append_only;
create trigger kept before delete on ops.audit_log for each row
  when (current_setting('ops.pruning', true) is distinct from 'on' or old.at >= now() - interval '90 days')
  execute function ops.refuse_change();
alter table ops.audit_log enable always trigger kept;
create trigger append_only before update or truncate on ops.audit_seal execute function ops.refuse_change();
alter table ops.audit_seal enable always trigger append_only;
create trigger kept before delete on ops.audit_seal for each row
  when (current_setting('ops.pruning', true) is distinct from 'on' or old.sealed_at >= now() - interval '90 days')
  execute function ops.refuse_change();
alter table ops.audit_seal enable always trigger kept;

-- Records an act. Called by the functions that act, within their transaction: both are done or neither. Who acts, for which
-- organisation and in which trace is what the transaction says; a person at the database is named by the role.
create function ops.audit(
  p_action text, p_target text, p_outcome text, p_detail jsonb default '{}', p_organization_id uuid default null
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_id bigint;
begin
  insert into ops.audit_log (at, organization_id, actor, action, target, outcome, trace_id, detail)
  values (clock_timestamp(), coalesce(p_organization_id, ops.current_organization()),
          left(coalesce(ops.current_actor(), 'role:' || session_user), 200), p_action, p_target, p_outcome,
          left(ops.current_trace(), 100), p_detail)
  returning id into v_id;
  insert into ops.audit_unsealed (id) values (v_id);
end $$;

-- Of an act that can be repeated, or is on many: by how much it changed.
create function ops.audit_outcome(p_changed bigint) returns text
language sql immutable
return case when p_changed > 0 then 'done' else 'unchanged' end;

-- The length in bytes of UTF-8, a colon and the text, or a hyphen for null: no two lists of fields give the same text.
create function ops.audit_field(p_text text) returns text
language sql stable
return coalesce(octet_length(convert_to(p_text, 'UTF8')) || ':' || p_text, '-');

-- Times are microseconds since 1970.
create function ops.audit_digest(p_entry ops.audit_log) returns bytea
language sql stable
return sha256(convert_to(
  ops.audit_field(p_entry.id::text) || ops.audit_field((extract(epoch from p_entry.at) * 1000000)::bigint::text)
  || ops.audit_field(p_entry.organization_id::text) || ops.audit_field(p_entry.actor) || ops.audit_field(p_entry.action)
  || ops.audit_field(p_entry.target) || ops.audit_field(p_entry.outcome) || ops.audit_field(p_entry.trace_id)
  || ops.audit_field(p_entry.detail::text), 'UTF8'));

-- Seals the oldest entries that no seal has, at most p_limit: the next link of the chain. Null when there is none, or when
-- another session seals; this one waits for nobody.
create function ops.seal_audit_log(p_limit integer, out seq bigint, out entries integer, out hash text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids      bigint[];
  v_digests  bytea[];
  v_previous bytea;
  v_now      timestamptz := clock_timestamp();
  v_hash     bytea;
begin
  if not pg_try_advisory_xact_lock(5525, 3) then
    return;
  end if;
  with taken as (
    delete from ops.audit_unsealed u where u.id in (select o.id from ops.audit_unsealed o order by o.id limit p_limit) returning u.id)
  select array_agg(t.id order by t.id), array_agg(ops.audit_digest(l) order by t.id) into v_ids, v_digests
    from taken t left join ops.audit_log l on l.id = t.id;
  if v_ids is null then
    return;
  end if;
  select s.seq, s.hash into seq, v_previous from ops.audit_seal s order by s.seq desc limit 1;
  seq := coalesce(seq, 0) + 1;
  v_hash := sha256(convert_to(
    ops.audit_field(seq::text) || ops.audit_field((extract(epoch from v_now) * 1000000)::bigint::text)
    || ops.audit_field(encode(v_previous, 'hex'))
    || (select string_agg(ops.audit_field(encode(d, 'hex')), '' order by n) from unnest(v_digests) with ordinality u (d, n)), 'UTF8'));
  insert into ops.audit_seal (seq, sealed_at, ids, digests, previous_hash, hash) values (seq, v_now, v_ids, v_digests, v_previous, v_hash);
  entries := cardinality(v_ids);
  hash := encode(v_hash, 'hex');
end $$;

create function ops.audit_unsealed_age() returns double precision
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  select coalesce(greatest(extract(epoch from clock_timestamp() - min(l.at)), 0), 0)::double precision
    from ops.audit_log l where l.id = (select min(u.id) from ops.audit_unsealed u);
$$;
comment on function ops.audit_unsealed_age is 'Seconds that the oldest entry has been without a seal, 0 if all have one.';

-- ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────

-- Whoever prunes sees what ended 90 days ago of every organisation, and no more.
create policy ended on public.api_key
  using (current_setting('ops.pruning', true) = 'on' and least(expires_at, revoked_at) < now() - interval '90 days');

-- Deletes the oldest seals with their entries, at most twenty, when all of them are from before the day that is p_keep ago. The
-- last seal stays. The entry of the deletion has the number and the hash of the last seal that went: the chain goes on from there.
create function ops.prune_audit_log(p_keep interval) returns text
language plpgsql
as $$
declare
  v_before  timestamptz := date_trunc('day', clock_timestamp() - p_keep);
  v_seq     bigint;
  v_hash    bytea;
  v_ids     bigint[];
  v_entries bigint;
begin
  with oldest as materialized (
    select s.seq, s.hash, s.ids, s.sealed_at from ops.audit_seal s order by s.seq limit 21),
  old as (
    select o.seq, o.hash, o.ids from oldest o
     where o.seq < (select max(s.seq) from ops.audit_seal s)
       and o.seq < coalesce((select min(y.seq) from oldest y where y.sealed_at >= v_before), o.seq + 1)
     order by o.seq limit 20)
  select max(o.seq), (array_agg(o.hash order by o.seq desc))[1], array(select unnest(p.ids) from old p)
    into v_seq, v_hash, v_ids from old o;
  if v_seq is null then
    return null;
  end if;
  delete from ops.audit_log l where l.id = any (v_ids);
  get diagnostics v_entries = row_count;
  delete from ops.audit_seal s where s.seq <= v_seq;
  perform ops.audit('audit.prune', null, 'done',
                    jsonb_build_object('entries', v_entries, 'seal', v_seq::text, 'hash', encode(v_hash, 'hex')));
  return v_entries || ' audit entries deleted';
end $$;

create function ops.prune_api_keys() returns text
language plpgsql
as $$
declare
  v_count bigint;
begin
  delete from public.api_key k where k.id in (
    select e.id from public.api_key e where least(e.expires_at, e.revoked_at) < now() - interval '90 days' limit 1000 for update skip locked);
  get diagnostics v_count = row_count;
  if v_count = 0 then
    return null;
  end if;
  perform ops.audit('api_key.prune', null, 'done', jsonb_build_object('keys', v_count));
  return v_count || ' API keys deleted';
end $$;

-- One step: deletes API keys that ended 90 days ago, or the oldest part of the audit log. Says what it did; null when nothing is
-- left to do. Workers call it every hour until it says null; one does it at a time.
create function ops.prune(p_keep_audit interval default '400 days') returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '50ms'
as $$
declare
  v_step text;
begin
  if (p_keep_audit >= interval '90 days') is not true then
    raise exception 'p_keep_audit must be 90 days or more' using errcode = '22023';
  end if;
  if not pg_try_advisory_xact_lock(5525, 4) then
    return null;
  end if;
  perform set_config('ops.pruning', 'on', true);
  v_step := coalesce(ops.prune_api_keys(), ops.prune_audit_log(p_keep_audit));
  perform set_config('ops.pruning', '', true);
  return v_step;
end $$;
comment on function ops.prune is 'One step of deleting what is kept long enough, and what it was; null when nothing is left to do.';

create view ops.audit with (security_barrier) as
  select id, at, actor, action, target, outcome, trace_id, detail
    from ops.audit_log where organization_id = ops.current_organization();

-- A page of the organisation's entries, newest first, and where the next one starts, null on the last one. However rare what
-- is asked for, it looks at two thousand entries at most: a page may come short.
create function ops.scan_audit(
  p_action text, p_actor text, p_from timestamptz, p_before timestamptz, p_after bigint, p_limit integer, out ids bigint[], out next bigint
) language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off
as $$
declare
  v_limit constant integer := least(coalesce(p_limit, 100), 1000);
  v_most  constant integer := case when p_action is null and p_actor is null then v_limit else 2000 end;
  v_at    timestamptz := 'infinity';
  v_seen  bigint[];
begin
  if p_after is not null then
    select a.at into v_at from ops.audit a where a.id = p_after;
  end if;
  with seen as materialized (
    select a.id, a.at, a.action, a.actor from ops.audit a
     where (a.at, a.id) < (v_at, coalesce(p_after, 0)) and a.at >= coalesce(p_from, '-infinity') and a.at < coalesce(p_before, 'infinity')
     order by a.at desc, a.id desc limit v_most
  )
  select array_agg(s.id order by s.at desc, s.id desc),
         (array_agg(s.id order by s.at desc, s.id desc)
            filter (where (p_action is null or s.action = p_action) and (p_actor is null or s.actor = p_actor)))[:v_limit]
    into v_seen, ids from seen s;
  ids := coalesce(ids, '{}');
  next := case when cardinality(ids) = v_limit then ids[v_limit] else v_seen[v_most] end;
end $$;

do $$
declare
  v_api      text := current_setting('dragonfly.api_role');
  v_worker   text := current_setting('dragonfly.worker_role');
  v_readonly text := current_setting('dragonfly.readonly_role');
begin
  execute format('grant select on ops.audit to %I, %I', v_api, v_readonly);
  execute format('grant execute on function ops.scan_audit(text, text, timestamptz, timestamptz, bigint, integer) to %I, %I', v_api, v_readonly);
  execute format('grant execute on function ops.seal_audit_log(integer), ops.audit_unsealed_age() to %I, %I', v_api, v_worker);
  execute format('grant execute on function ops.prune(interval) to %I', v_worker);
end $$;
