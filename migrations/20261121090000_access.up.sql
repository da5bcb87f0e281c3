-- Owner: platform
-- Compatibility: first release
--
-- Organisations and their API keys. A key is stored as the SHA-256 of its text only.
-- Roles are made by the bootstrap (`roles` command); migrations only grant. The runner passes the configurable
-- role names as settings: dragonfly.api_role, dragonfly.worker_role, dragonfly.readonly_role.

create schema ops;
comment on schema ops is 'Owner: platform. Internal: every write is a function, every read a view.';

alter default privileges revoke execute on functions from public;

-- RFC 9562 version 7: ids made one after the other sort so. PostgreSQL 18 makes them itself; before, in the same way: the
-- time in 1/4096 milliseconds, with the version after its 48 bits of whole milliseconds, then random bits.
do $do$
begin
  if current_setting('server_version_num')::integer >= 180000 then
    create function ops.uuid_v7() returns uuid language sql volatile parallel safe return uuidv7();
  else
    create function ops.uuid_v7() returns uuid
    language sql volatile parallel safe
    return overlay(
      encode(uuid_send(gen_random_uuid()), 'hex')
      placing overlay(lpad(to_hex((extract(epoch from clock_timestamp()) * 4096000)::bigint), 15, '0') placing '7' from 13 for 0)
      from 1 for 16)::uuid;
  end if;
end $do$;

-- The caller's organisation, actor and trace: transaction-local settings, set in the statement that has the effect.
create function ops.current_organization() returns uuid
language sql stable parallel safe
return nullif(current_setting('ops.organization_id', true), '')::uuid;

create function ops.current_actor() returns text
language sql stable parallel safe
return nullif(current_setting('ops.actor', true), '');

create function ops.current_trace() returns text
language sql stable parallel safe
return nullif(current_setting('ops.trace_id', true), '');

create table public.organization (
  id         uuid        primary key default ops.uuid_v7(),
  name       text        not null unique check (length(name) between 1 and 200),
  created_at timestamptz not null default now()
);

-- A client is a name within an organisation. It has one live key, and two while it changes from one to the next.
create table public.api_key (
  id              uuid        primary key default ops.uuid_v7(),
  organization_id uuid        not null references public.organization (id),
  name            text        not null check (length(name) between 1 and 200),
  key_hash        bytea       not null unique check (length(key_hash) = 32),
  role            text        not null check (role in ('viewer', 'operator', 'admin', 'auditor', 'service')),
  scopes          text[],     -- of the permissions of the role; null: all of them
  created_by      text,
  created_at      timestamptz not null default now(),
  expires_at      timestamptz not null,
  revoked_at      timestamptz,
  last_used_at    timestamptz,
  check (expires_at <= created_at + interval '90 days')
);
create index api_key_organization on public.api_key (organization_id, id);

-- ── row-level security ───────────────────────────────────────────────────────────────────────────────────────────

-- Forced: the functions below run as the owner, and they too see the organisation of the transaction only. Beyond it, who
-- knows an organisation's exact name sees that one, and who knows the hash of a key sees that key: both are said by a
-- transaction-local setting.
create policy own on public.organization using (id = ops.current_organization());
create policy by_name on public.organization for select
  using (name = nullif(current_setting('ops.organization_name', true), ''));
create policy own on public.api_key using (organization_id = ops.current_organization());
create policy by_hash on public.api_key for select
  using (key_hash = decode(nullif(current_setting('ops.key_hash', true), ''), 'hex'));
alter table public.organization enable row level security, force row level security;
alter table public.api_key enable row level security, force row level security;

-- From here on the transaction is one of that organisation.
create function ops.act_for(p_organization_id uuid) returns void
language sql volatile
as $$
  select set_config('ops.organization_id', p_organization_id::text, true);
$$;

-- ── organisations and keys ───────────────────────────────────────────────────────────────────────────────────────

create function ops.find_organization(p_name text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  perform set_config('ops.organization_name', p_name, true);
  select o.id into v_id from public.organization o where o.name = p_name;
  perform set_config('ops.organization_name', '', true);
  return v_id;
end $$;

create function ops.create_organization(p_name text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid := ops.uuid_v7();
begin
  perform ops.act_for(v_id);
  insert into public.organization (id, name) values (v_id, p_name) on conflict (name) do nothing;
  if not found then
    v_id := ops.find_organization(p_name);
    perform ops.act_for(v_id);
  end if;
  return v_id;
end $$;
comment on function ops.create_organization is
  'The id of the organisation of that name, made if there is none; the transaction goes on as one of that organisation.';

create function ops.live_api_keys(p_name text) returns setof public.api_key
language sql stable
as $$
  select * from public.api_key k
   where k.organization_id = ops.current_organization() and k.name = p_name and k.revoked_at is null and k.expires_at > clock_timestamp();
$$;

-- For what would act on what is no longer so, where no lock that it takes says that.
create function ops.refuse_old_snapshot() returns void
language plpgsql stable
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an older snapshot does not show what others have done since: call this function in READ COMMITTED'
      using errcode = '25000';
  end if;
end $$;

-- Who issues or rotates a key of the organisation waits for others who do.
create function ops.lock_api_keys() returns void
language sql
as $$
  select ops.refuse_old_snapshot();
  select from public.organization where id = ops.current_organization() for no key update;
$$;

-- For the command line, by name; all live keys of the client.
create function ops.revoke_api_keys(p_organization_id uuid, p_name text) returns setof uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids uuid[];
begin
  perform ops.act_for(p_organization_id);
  with revoked as (
    update public.api_key set revoked_at = clock_timestamp() where id in (select k.id from ops.live_api_keys(p_name) k) returning id)
  select array_agg(id) into v_ids from revoked;
  perform ops.audit('api_key.revoke', p_name, case when v_ids is null then 'not_found' else 'done' end,
                    jsonb_build_object('keys', coalesce(to_jsonb(v_ids), '[]')));
  return query select unnest(v_ids);
end $$;

-- A new key. A client that has a live one is refused with 23505.
create function ops.create_api_key(p_name text, p_key_hash bytea, p_lifetime interval, p_role text, p_scopes text[]) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_id  uuid;
  v_now timestamptz := clock_timestamp();
begin
  perform ops.lock_api_keys();
  if exists (select from ops.live_api_keys(p_name)) then
    raise exception 'the client has a live key' using errcode = '23505', constraint = 'api_key_name';
  end if;
  insert into public.api_key (organization_id, name, key_hash, role, scopes, created_by, created_at, expires_at)
  values (ops.current_organization(), p_name, p_key_hash, p_role, p_scopes, ops.current_actor(), v_now, v_now + p_lifetime)
  returning id into v_id;
  perform ops.audit('api_key.create', v_id::text, 'done', jsonb_build_object('name', p_name, 'role', p_role, 'scopes', p_scopes));
  return v_id;
end $$;

-- For the command line: revokes the client's live keys first.
create function ops.issue_api_key(
  p_organization_id uuid, p_name text, p_key_hash bytea, p_lifetime interval, p_role text default 'admin', p_scopes text[] default null
) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform ops.act_for(p_organization_id), ops.lock_api_keys();
  if exists (select from ops.live_api_keys(p_name)) then
    perform ops.revoke_api_keys(p_organization_id, p_name);
  end if;
  return ops.create_api_key(p_name, p_key_hash, p_lifetime, p_role, p_scopes);
end $$;

-- A second key of the same client, with the same rights. The first one ends after the overlap. A client that has two live keys
-- already is refused with 23505. Null: the organisation has no live key of that id.
create function ops.rotate_api_key(p_id uuid, p_key_hash bytea, p_lifetime interval, p_overlap interval) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_old public.api_key;
  v_id  uuid;
  v_now timestamptz := clock_timestamp();
begin
  perform ops.lock_api_keys();
  select * into v_old from public.api_key k where k.id = p_id and k.organization_id = ops.current_organization();
  if v_old.id is null or not exists (select from ops.live_api_keys(v_old.name) k where k.id = p_id) then
    perform ops.audit('api_key.rotate', p_id::text, 'not_found');
    return null;
  end if;
  if (select count(*) from ops.live_api_keys(v_old.name)) > 1 then
    raise exception 'the client has two live keys' using errcode = '23505', constraint = 'api_key_rotation';
  end if;
  insert into public.api_key (organization_id, name, key_hash, role, scopes, created_by, created_at, expires_at)
  values (v_old.organization_id, v_old.name, p_key_hash, v_old.role, v_old.scopes, ops.current_actor(), v_now, v_now + p_lifetime)
  returning id into v_id;
  update public.api_key set expires_at = least(expires_at, v_now + p_overlap) where id = p_id;
  perform ops.audit('api_key.rotate', p_id::text, 'done', jsonb_build_object('name', v_old.name, 'successor', v_id));
  return v_id;
end $$;

-- Idempotent. Whether the organisation has such a key.
create function ops.revoke_api_key(p_id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_changed boolean;
  v_found   boolean;
begin
  update public.api_key set revoked_at = clock_timestamp()
   where id = p_id and organization_id = ops.current_organization() and revoked_at is null;
  v_changed := found;
  v_found := v_changed or exists (select from public.api_key where id = p_id and organization_id = ops.current_organization());
  perform ops.audit('api_key.revoke', p_id::text,
                    case when v_changed then 'done' when v_found then 'unchanged' else 'not_found' end);
  return v_found;
end $$;

-- One probe of the unique index on key_hash.
create function ops.authenticate_api_key(p_key_hash bytea)
returns table (key_id uuid, organization_id uuid, expires_at timestamptz, role text, scopes text[])
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('ops.key_hash', encode(p_key_hash, 'hex'), true);
  return query
    select k.id, k.organization_id, k.expires_at, k.role, k.scopes from public.api_key k
     where k.key_hash = p_key_hash and k.revoked_at is null and k.expires_at > clock_timestamp();
  perform set_config('ops.key_hash', '', true);
end $$;

-- Stamps the last use of keys, each with its organisation. A key that another replica stamps at this moment needs no second
-- stamp.
create function ops.touch_api_keys(p_key_ids uuid[], p_organization_ids uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid;
begin
  for v_org in select distinct unnest(p_organization_ids) loop
    perform ops.act_for(v_org);
    update public.api_key set last_used_at = clock_timestamp() where id in (
      select k.id from unnest(p_key_ids, p_organization_ids) u (id, organization_id) join public.api_key k on k.id = u.id
       where u.organization_id = v_org for no key update of k skip locked);
  end loop;
  perform set_config('ops.organization_id', '', true);
end $$;

create view ops.api_keys with (security_barrier) as
  select id, name, role, scopes, created_by, created_at, expires_at, revoked_at, last_used_at
    from public.api_key where organization_id = ops.current_organization();

create view ops.organizations with (security_barrier) as
  select id, name from public.organization where id = ops.current_organization();

create function ops.schema_version() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select max(name) from migration.applied;
$$;
comment on function ops.schema_version is 'The name of the newest applied migration.';

do $$
declare
  v_api      text := current_setting('dragonfly.api_role');
  v_worker   text := current_setting('dragonfly.worker_role');
  v_readonly text := current_setting('dragonfly.readonly_role');
begin
  execute format('grant usage on schema ops to %I, %I, %I', v_api, v_worker, v_readonly);
  execute format('grant execute on function ops.current_organization(), ops.current_actor(), ops.current_trace(),
    ops.schema_version() to %I, %I, %I', v_api, v_worker, v_readonly);
  execute format('grant execute on function ops.authenticate_api_key(bytea), ops.touch_api_keys(uuid[], uuid[]),
    ops.create_api_key(text, bytea, interval, text, text[]), ops.rotate_api_key(uuid, bytea, interval, interval),
    ops.revoke_api_key(uuid) to %I', v_api);
  execute format('grant select on ops.api_keys, ops.organizations to %I', v_api);
end $$;
