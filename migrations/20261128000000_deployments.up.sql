-- Owner: platform
-- Compatibility: the release before works with it: it has no deployments
--
-- The log of deployments: who released or rolled back what, when, and with which results. A rollback reads its target from it. See
-- docs/runbooks/release.md. Only the owner sees it: it is of no organisation.

create table ops.deployments (
  id             uuid        primary key,
  env            text        not null check (env in ('dev', 'staging', 'prod')),
  kind           text        not null check (kind in ('release', 'rollback')),
  git_sha        text        not null check (git_sha ~ '^[0-9a-f]{40}(-dirty)?$'),
  previous_sha   text        check (previous_sha ~ '^[0-9a-f]{40}(-dirty)?$'),
  target         text        not null check (length(target) between 1 and 100),
  actor          text        not null check (length(actor) between 1 and 200),
  started_at     timestamptz not null,
  ended_at       timestamptz check ((ended_at is null) = (status = 'running')),
  status         text        not null check (status in ('running', 'succeeded', 'rolled_back', 'failed', 'aborted')),
  phases         jsonb       not null check (jsonb_typeof(phases) = 'array'),
  gate           jsonb       check (jsonb_typeof(gate) = 'object'),
  schema_version text        not null,
  migrations     text[]      not null,
  schema_change  jsonb       check (jsonb_typeof(schema_change) = 'object')
);

-- One at a time.
create unique index deployment_running on ops.deployments (env) where status = 'running';
create index deployment_newest on ops.deployments (env, started_at);

-- For the owner, too: what has ended stays as it is.
create trigger append_only before delete or truncate on ops.deployments execute function ops.refuse_change();
alter table ops.deployments enable always trigger append_only;
create trigger ended before update on ops.deployments for each row when (old.ended_at is not null) execute function ops.refuse_change();
alter table ops.deployments enable always trigger ended;

-- A deployment as it is now, by the names of the columns. Its beginning and its end are administrative acts. To say again what has
-- ended changes nothing; anybody who thinks that it goes on is told.
create function ops.record_deployment(p_deployment jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_now    ops.deployments := jsonb_populate_record(null::ops.deployments, p_deployment);
  v_is_new boolean;
begin
  insert into ops.deployments as d select v_now.*
  on conflict (id) do update set phases = excluded.phases, gate = excluded.gate, schema_change = excluded.schema_change,
                                  status = excluded.status, ended_at = excluded.ended_at
   where d.ended_at is null or d.status <> excluded.status
  returning xmax = 0 into v_is_new;
  if v_is_new then
    perform ops.audit('deployment.start', v_now.id::text, 'done',
                      jsonb_build_object('env', v_now.env, 'kind', v_now.kind, 'git_sha', v_now.git_sha, 'actor', v_now.actor));
  end if;
  if v_is_new is not null and v_now.ended_at is not null then
    perform ops.audit('deployment.end', v_now.id::text, 'done', jsonb_build_object('status', v_now.status));
  end if;
end $$;
