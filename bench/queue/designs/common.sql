-- What both designs share: lanes, workers, unique keys, scheduled jobs, dead letters.
create schema ops;

-- A lane holds the jobs of one type and one priority. Few rows, rarely changed.
create table ops.lane (
  id       integer  generated always as identity primary key,
  type     text     not null check (length(type) between 1 and 100),
  priority smallint not null check (priority between -100 and 100),
  paused   boolean  not null default false,
  unique (type, priority)
);

create table ops.worker (
  id           text        primary key,
  -- Its claims below this one are all settled: the worker says so with each beat.
  open_from    bigint      not null default 0,
  dead_after   interval    not null default '60 seconds',
  last_seen_at timestamptz not null
) with (fillfactor = 50);

-- A row while the job is unfinished: unique per organisation and type. Also without organisation.
create table ops.unique_key (
  organization_id uuid,
  type            text not null,
  key             text not null check (length(key) between 1 and 200),
  job_id          uuid not null unique,
  unique nulls not distinct (organization_id, type, key)
);

create table ops.dead_letter (
  job_id  uuid        primary key,
  lane_id integer     not null,
  at      timestamptz not null default clock_timestamp(),
  error   text
);

create function ops.refuse(p_fault text) returns void language plpgsql immutable as $$
begin
  if p_fault is not null then
    raise exception '%', p_fault using errcode = '22023';
  end if;
end $$;

-- The lanes of the wanted types in the order in which a claim looks into them.
create function ops.lanes_of(p_types text[]) returns setof integer language sql stable
begin atomic
  select id from ops.lane where type = any (p_types) and not paused order by priority desc, id;
end;

create function ops.ensure_lanes(p_jobs jsonb) returns void language sql as $$
  insert into ops.lane (type, priority)
  select distinct j.type, coalesce(j.priority, 0)
    from jsonb_to_recordset(p_jobs) as j (type text, priority smallint)
   where not exists (select from ops.lane l where l.type = j.type and l.priority = coalesce(j.priority, 0))
   order by 1, 2
  on conflict do nothing;
$$;

-- What is wrong with a job, null if nothing.
create function ops.fault_of(p_type text, p_payload jsonb, p_priority integer, p_run_at timestamptz, p_max_attempts integer)
returns text language sql immutable
return case
  when coalesce(length(p_type), 0) not between 1 and 100 then 'type must have 1 to 100 characters'
  when p_payload is null then 'payload is required'
  when p_priority not between -100 and 100 then 'priority must be -100 (least urgent) to 100 (most urgent)'
  when not isfinite(p_run_at) then 'run_at must be a finite time'
  when p_max_attempts not between 1 and 100 then 'max_attempts must be 1 to 100'
end;

-- Takes the keys of new jobs; returns the ordinals of jobs that are there already. In the order of the keys, so that two
-- batches with the same keys wait for each other but never deadlock.
create function ops.take_keys(p_jobs jsonb, p_ids uuid[]) returns bigint[] language plpgsql as $$
declare
  v_taken bigint[] := '{}';
  v_job   record;
begin
  for v_job in
    select j.type, j.unique_key, j.ordinal
      from rows from (jsonb_to_recordset(p_jobs) as (type text, unique_key text)) with ordinality as j (type, unique_key, ordinal)
     where j.unique_key is not null order by j.unique_key, j.type, j.ordinal
  loop
    insert into ops.unique_key (organization_id, type, key, job_id)
    values (nullif(current_setting('ops.organization_id', true), '')::uuid, v_job.type, v_job.unique_key, p_ids[v_job.ordinal])
    on conflict do nothing;
    if not found then v_taken := v_taken || v_job.ordinal; end if;
  end loop;
  return v_taken;
end $$;

create function ops.heartbeat(p_worker text, p_open_from bigint) returns void language sql as $$
  insert into ops.worker (id, open_from, last_seen_at) values (p_worker, p_open_from, clock_timestamp())
  on conflict (id) do update set open_from = excluded.open_from, last_seen_at = excluded.last_seen_at;
$$;

-- Idle workers hold this lock, shared. Whoever queues notifies only if it is held: a NOTIFY makes commits wait for each
-- other, and busy workers look again by themselves.
create function ops.wake() returns void language sql as $$
  select case when pg_try_advisory_lock(5525, 0) then pg_advisory_unlock(5525, 0)::text else pg_notify('ops_job_ready', '')::text end;
$$;
