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

create table public.api_key (
  id              uuid        primary key default ops.uuid_v7(),
  organization_id uuid        not null references public.organization (id),
  name            text        not null check (length(name) between 1 and 200),
  key_hash        bytea       not null unique check (length(key_hash) = 32),
  created_at      timestamptz not null default now(),
  expires_at      timestamptz not null,
  revoked_at      timestamptz,
  last_used_at    timestamptz,
  check (expires_at <= created_at + interval '90 days')
);
create index api_key_organization on public.api_key (organization_id);

create function ops.create_organization(p_name text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  insert into public.organization (name) values (p_name) on conflict (name) do nothing returning id into v_id;
  return coalesce(v_id, (select id from public.organization where name = p_name));
end $$;
comment on function ops.create_organization is 'The id of the organisation of that name, made if there is none.';

create function ops.revoke_api_keys(p_organization_id uuid, p_name text) returns setof uuid
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.api_key set revoked_at = now()
   where organization_id = p_organization_id and name = p_name and revoked_at is null
  returning id;
$$;

-- Revokes the live keys of that name first: a name has one live key at a time, hence the lock.
create function ops.issue_api_key(p_organization_id uuid, p_name text, p_key_hash bytea, p_lifetime interval)
returns uuid
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select from public.organization where id = p_organization_id for no key update;
  select ops.revoke_api_keys(p_organization_id, p_name);
  insert into public.api_key (organization_id, name, key_hash, expires_at)
  values (p_organization_id, p_name, p_key_hash, now() + p_lifetime)
  returning id;
$$;

-- One probe of the unique index on key_hash.
create function ops.authenticate_api_key(p_key_hash bytea)
returns table (key_id uuid, organization_id uuid, expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select k.id, k.organization_id, k.expires_at from public.api_key k
   where k.key_hash = p_key_hash and k.revoked_at is null and k.expires_at > now();
$$;

-- A key that another replica stamps at this moment needs no second stamp.
create function ops.touch_api_keys(p_key_ids uuid[]) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.api_key set last_used_at = now() where id in (
    select id from public.api_key where id = any (p_key_ids) for no key update skip locked);
$$;

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
  execute format('grant execute on function ops.authenticate_api_key(bytea), ops.touch_api_keys(uuid[]) to %I', v_api);
end $$;
