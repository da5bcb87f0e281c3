-- Owner: platform
-- Compatibility: first release
--
-- Queueing. A job belongs to the transaction that queues it: it runs only if that commits. Each call writes a row a job and
-- one row a batch of up to fifty of them, which is all that a claim has to lock and delete.

create function ops.trace_for_jobs() returns text
language sql volatile
return coalesce(ops.current_trace(), replace(gen_random_uuid()::text, '-', ''));

create function ops.fault_of_trace(p_trace_id text) returns text
language sql immutable
return case when p_trace_id !~ '^[0-9a-f]{32}$' then 'ops.trace_id must be 32 lower-case hex digits' end;

-- What one job asks for in place of what its type has: a worker takes it as it is.
create function ops.fault_of_options(p_options jsonb) returns text
language sql immutable
return case
  when jsonb_typeof(p_options) <> 'object' then 'options must be an object'
  else (
    select min(case
        when k.name is null
          then format('options may have timeout_seconds, initial_delay_seconds, factor and max_delay_seconds, not %s', left(o.key, 100))
        when (case jsonb_typeof(o.value) when 'number' then o.value::numeric between k.least and k.most end) is not true
          then format('options.%s must be a number, %s to %s', k.name, k.least, k.most)
      end)
      from jsonb_each(p_options) o
      left join (values ('timeout_seconds', 0.1, 86400), ('initial_delay_seconds', 0, 86400), ('factor', 1, 10),
                        ('max_delay_seconds', 0, 604800)) k (name, least, most) on k.name = o.key)
end;

create function ops.fault_of_job(
  p_type text, p_payload jsonb, p_priority integer, p_run_at timestamptz, p_unique_key text, p_max_attempts integer, p_options jsonb
) returns text
language sql immutable
return case
  when coalesce(length(p_type), 0) not between 1 and 100 then 'type must have 1 to 100 characters'
  when p_payload is null then 'payload is required'
  when p_priority not between -100 and 100 then 'priority must be -100 (least urgent) to 100 (most urgent)'
  when not isfinite(p_run_at) then 'run_at must be a finite time'
  when length(p_unique_key) not between 1 and 200 then 'the unique key must have 1 to 200 characters'
  when p_max_attempts not between 1 and 100 then 'max_attempts must be 1 to 100'
  when p_options is not null then ops.fault_of_options(p_options)
end;

-- Wakes the workers that are idle and serve one of these types, and says whether each type has one. Those hold the advisory lock
-- of the type, shared, in their listening session; while all are busy nobody is notified, because a busy worker looks again by
-- itself. Whoever queued and was told `to_wake` calls it after the commit, in a transaction of its own: one that notifies locks out all
-- others that do until its commit is on disk. Who does not call it waits for the next poll of a worker.
create function ops.wake(p_types text[]) returns boolean
language plpgsql
as $$
declare
  v_type text;
  v_all  boolean := true;
begin
  foreach v_type in array coalesce(p_types, '{}') loop
    -- Both in one expression, which nothing can end in between: the lock would stay with the session.
    if (case when pg_try_advisory_lock(5526, hashtext(v_type)) then pg_advisory_unlock(5526, hashtext(v_type)) else false end) then
      v_all := false;
    else
      perform pg_notify('ops_job_ready', v_type);
    end if;
  end loop;
  return v_all;
end $$;

-- Has the commit of this transaction wake them, if no other transaction of the database is to: so none waits for another one.
-- Returns whether ops.wake is left to whoever queued, also because a worker can become idle until the commit. Nothing is queued less
-- because the notifications of the server are full: a commit that has one more would fail.
create function ops.wake_by_commit(p_types text[]) returns boolean
language sql volatile
return case when pg_notification_queue_usage() < 0.5 and pg_try_advisory_xact_lock(5527, 0) then not ops.wake(p_types) else true end;

-- The lane of a type and a priority, or the one in which jobs of this organisation wait aside.
create function ops.lane_of(p_type text, p_priority integer, p_aside uuid) returns integer
language sql stable
return (select l.id from ops.lane l
         where l.type = p_type and l.priority = p_priority and (p_aside is null and l.organization_id is null or l.organization_id = p_aside)
         order by l.id limit 1);

create function ops.make_lanes(p_types text[], p_priorities integer[], p_asides uuid[]) returns void
language sql
as $$
  insert into ops.lane (type, priority, organization_id)
  select distinct u.type, u.priority, u.aside from unnest(p_types, p_priorities, p_asides) u (type, priority, aside)
   where ops.lane_of(u.type, u.priority, u.aside) is null;
$$;

-- The organisation if its jobs of that type wait aside.
create function ops.set_aside_for(p_type text, p_organization uuid) returns uuid
language sql stable
return (select p.organization_id from ops.queue_pause p where p.type = p_type and p.organization_id = p_organization);

-- Takes the key for the job, or says which unfinished job has it. That one may finish in between: then tries again.
create function ops.take_key(p_organization uuid, p_type text, p_key text, p_job_id uuid) returns uuid
language plpgsql
as $$
declare
  v_holder uuid;
begin
  loop
    insert into ops.unique_key (organization_id, type, key, job_id) values (p_organization, p_type, p_key, p_job_id)
    on conflict do nothing;
    if found then
      return p_job_id;
    end if;
    select k.job_id into v_holder from (
      select u.job_id from ops.unique_key u where u.organization_id = p_organization and u.type = p_type and u.key = p_key
      union all
      select u.job_id from ops.unique_key u where p_organization is null and u.organization_id is null and u.type = p_type and u.key = p_key) k;
    if found then
      return v_holder;
    end if;
  end loop;
end $$;

-- The ids of the jobs that have the keys of new ones, by ordinal, in the order of the keys: two batches with the same keys
-- wait for each other, but never deadlock.
create function ops.take_keys(p_jobs jsonb, p_ids uuid[]) returns uuid[]
language plpgsql
as $$
declare
  v_job record;
begin
  for v_job in
    select j.* from rows from (jsonb_to_recordset(p_jobs) as (type text, unique_key text))
      with ordinality as j (type, unique_key, ordinal)
     where length(j.unique_key) between 1 and 200 and length(j.type) between 1 and 100
     order by j.unique_key, j.type, j.ordinal
  loop
    p_ids[v_job.ordinal] := ops.take_key(ops.current_organization(), v_job.type, v_job.unique_key, p_ids[v_job.ordinal]);
  end loop;
  return p_ids;
end $$;

-- Ids for so many jobs: one of ops.uuid_v7 and those that follow it (RFC 9562, section 6.2, method 2), in a fraction of the time
-- that it takes to draw each.
create function ops.new_job_ids(p_count integer) returns uuid[]
language plpgsql
as $$
declare
  v_hex   text := replace(ops.uuid_v7()::text, '-', '');
  v_left  text := left(v_hex, 24);
  v_first bigint := ('x0' || right(v_hex, 7))::bit(32)::integer;
begin
  return array(select (v_left || lpad(to_hex(v_first + n), 8, '0'))::uuid from generate_series(1, p_count) n);
end $$;

-- Queues the elements of an array, each for the caller that it names, or for the one of this transaction. A job whose key
-- another unfinished one has is not queued. A report does not wake by its commit: its worker wakes for much else. The transaction
-- has its xid before it draws a seq: see ops.claim.next_xid.
create function ops.insert_jobs(p_jobs jsonb, p_name_callers boolean, p_by_commit boolean)
returns table (created boolean, job_id uuid, created_at timestamptz, run_at timestamptz, to_wake boolean)
language plpgsql set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_now     timestamptz := clock_timestamp();
  v_trace   text := ops.trace_for_jobs();
  v_actor   text := ops.current_actor();
  v_org     uuid := ops.current_organization();
  v_pauses  boolean := exists (select from ops.queue_pause p where p.organization_id is not null);
  v_new     uuid[];
  v_ids     uuid[];
  v_keyless boolean := true;
  v_to_wake boolean := false;
  v_queued  record;
begin
  perform ops.refuse(case
    when jsonb_typeof(p_jobs) is distinct from 'array' then 'p_jobs must be a JSON array'
    else ops.fault_of_trace(v_trace)
  end);
  perform pg_current_xact_id();
  v_new := ops.new_job_ids(jsonb_array_length(p_jobs));
  v_ids := v_new;
  loop
    with item as materialized (
      select i.*, l.id as lane_id, coalesce(i.run_at > v_now, false) as later, greatest(i.run_at, v_now) as at,
             (i.ordinal - 1) / 50 as part, i.unique_key is not null as keyed, v_ids[i.ordinal] = i.id as created,
             case when p_name_callers and i.unique_key is not null then 'a job of several callers has no unique key'
                  else ops.fault_of_job(i.type, i.payload, i.priority, i.run_at, i.unique_key, i.max_attempts, i.options) end as fault
        from (
          select r.ordinal, v_new[r.ordinal] as id, r.type,
                 coalesce(r.payload, p_jobs -> (r.ordinal - 1)::integer -> 'payload') as payload,  -- a record set has no JSON null
                 coalesce(r.priority, 0) as priority, r.run_at, r.unique_key, r.max_attempts, r.options,
                 case when p_name_callers then coalesce(r.trace_id, v_trace) else v_trace end as trace_id,
                 case when p_name_callers then r.organization_id else v_org end as organization_id,
                 case when p_name_callers then r.actor else v_actor end as actor,
                 case when v_pauses then ops.set_aside_for(r.type, case when p_name_callers then r.organization_id else v_org end)
                 end as aside
            from rows from (jsonb_to_recordset(p_jobs) as (type text, payload jsonb, priority integer, run_at timestamptz,
                              unique_key text, max_attempts integer, options jsonb, trace_id text, organization_id uuid, actor text))
                 with ordinality as r (type, payload, priority, run_at, unique_key, max_attempts, options, trace_id,
                                       organization_id, actor, ordinal)) i
        left join (select distinct on (l.type, l.priority, l.organization_id) l.* from ops.lane l
                    order by l.type, l.priority, l.organization_id, l.id) l
          on l.type = i.type and l.priority = i.priority and (i.aside is null and l.organization_id is null or l.organization_id = i.aside)
    ), proper as materialized (
      select (array_agg('job ' || i.ordinal || ': ' || i.fault order by i.ordinal) filter (where i.fault is not null))[1] as fault,
             array_agg(i.type) filter (where i.lane_id is null) as types,
             array_agg(i.priority) filter (where i.lane_id is null) as priorities,
             array_agg(i.aside) filter (where i.lane_id is null) as organizations,
             bool_or(i.keyed) and v_keyless as must_take_keys,
             bool_and(i.fault is null and i.lane_id is not null and not (i.keyed and v_keyless)) as yes,
             array_agg(i.at order by i.ordinal) as run_ats
        from item i
    ), batch as materialized (
      select b.*, nextval('ops.ready_seq') as seq from (
        select i.lane_id, i.organization_id, i.part, bool_or(i.keyed) as keyed, array_agg(i.id order by i.id) as ids
          from item i, proper p where p.yes and i.created and not i.later
         group by i.part, i.lane_id, i.organization_id order by i.part) b
    ), jobs as (
      insert into ops.job (id, seq, created_at, run_at, lane_id, max_attempts, organization_id, trace_id, created_by, unique_key,
                           options, payload)
      select i.id, b.seq, v_now, i.at, i.lane_id, coalesce(i.max_attempts, 5), i.organization_id, i.trace_id::uuid,
             i.actor, i.unique_key, i.options, i.payload
        from proper p, item i
        left join batch b on b.part = i.part and b.lane_id = i.lane_id and b.organization_id is not distinct from i.organization_id
                         and not i.later
       where p.yes and i.created
    ), fresh as (
      insert into ops.ready (lane_id, seq, keyed, organization_id, job_ids)
      select b.lane_id, b.seq, b.keyed, b.organization_id, b.ids from batch b
    ), timed as (
      insert into ops.scheduled (job_id, run_at, lane_id, run, attempt, keyed, organization_id)
      select i.id, i.run_at, i.lane_id, 1, 1, i.keyed, i.organization_id
        from item i, proper p where p.yes and i.created and i.later
    ), counted as (
      insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
      select i.lane_id, i.organization_id, count(*) filter (where not i.later), count(*) filter (where i.later), 0
        from item i, proper p where p.yes and i.created group by i.lane_id, i.organization_id
    )
    select p.*, array(select distinct b.lane_id from batch b) as lane_ids into v_queued from proper p;
    perform ops.refuse(v_queued.fault);
    exit when coalesce(v_queued.yes, true);
    perform ops.make_lanes(v_queued.types, v_queued.priorities, v_queued.organizations);
    if v_queued.must_take_keys then
      v_ids := ops.take_keys(p_jobs, v_new);
      v_keyless := false;
    end if;
  end loop;
  if p_by_commit and v_queued.lane_ids <> '{}' then
    v_to_wake := ops.wake_by_commit(array(select distinct l.type from ops.lane l where l.id = any (v_queued.lane_ids)));
  end if;
  return query select u.id = u.new_id, u.id, v_now, u.run_at, v_to_wake and u.id = u.new_id and u.run_at = v_now
                 from unnest(v_ids, v_new, v_queued.run_ats) u (id, new_id, run_at);
end $$;

-- Each element: {type, payload, priority?, run_at?, unique_key?, max_attempts?, options?}. All or nothing, in the order given.
-- `created` is false where an unfinished job of the organisation has the type and the unique key: then the id is that job's.
-- A run_at in the past means now: nobody overtakes by it. A payload may be JSON's null. `to_wake`: nobody is told of the job by the
-- commit, see ops.wake.
create function ops.queue_jobs(p_jobs jsonb)
returns table (created boolean, job_id uuid, created_at timestamptz, run_at timestamptz, to_wake boolean)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select * from ops.insert_jobs(p_jobs, false, true);
$$;

-- Jobs of several callers, who share a transaction because they came at the same time. Each element is one of queue_jobs with
-- its caller, {trace_id, organization_id, actor}, and without a key: who waits for a key would let the others wait.
create function ops.queue_jobs_of_callers(p_jobs jsonb)
returns table (created boolean, job_id uuid, created_at timestamptz, run_at timestamptz, to_wake boolean)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select * from ops.insert_jobs(p_jobs, true, true);
$$;

-- The same as ops.queue_jobs of one element, in a fraction of the time.
create function ops.queue_one_job(
  p_type text, p_payload jsonb, p_priority integer, p_run_at timestamptz, p_unique_key text, p_max_attempts integer, p_options jsonb,
  out created boolean, out job_id uuid, out created_at timestamptz, out run_at timestamptz, out to_wake boolean
) language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
declare
  v_now   timestamptz := clock_timestamp();  -- before the id is drawn: lists look for jobs that were created since by their ids
  v_new   uuid := ops.uuid_v7();
  v_trace text := ops.trace_for_jobs();
  v_org   uuid := ops.current_organization();
  v_aside uuid;
  v_fault text := coalesce(ops.fault_of_trace(v_trace),
    ops.fault_of_job(p_type, p_payload, p_priority, p_run_at, p_unique_key, p_max_attempts, p_options));
  v_lane  integer;
  v_seq   bigint;
begin
  if v_fault is not null then
    perform ops.refuse(v_fault);
  end if;
  perform pg_current_xact_id();
  p_priority := coalesce(p_priority, 0);
  created_at := v_now;
  run_at := greatest(p_run_at, created_at);
  job_id := case when p_unique_key is null then v_new else ops.take_key(v_org, p_type, p_unique_key, v_new) end;
  created := job_id = v_new;
  to_wake := false;
  if not created then
    return;
  end if;

  select p.organization_id into v_aside from ops.queue_pause p where p.type = p_type and p.organization_id = v_org;
  loop
    select l.id into v_lane from ops.lane l
     where l.type = p_type and l.priority = p_priority and (v_aside is null and l.organization_id is null or l.organization_id = v_aside)
     order by l.id limit 1;
    exit when found;
    perform ops.make_lanes(array[p_type], array[p_priority], array[v_aside]);
  end loop;
  if run_at = created_at then
    v_seq := nextval('ops.ready_seq');
    insert into ops.ready (lane_id, seq, keyed, organization_id, job_ids)
    values (v_lane, v_seq, p_unique_key is not null, v_org, array[job_id]);
    to_wake := ops.wake_by_commit(array[p_type]);
  else
    insert into ops.scheduled (job_id, run_at, lane_id, run, attempt, keyed, organization_id)
    values (job_id, run_at, v_lane, 1, 1, p_unique_key is not null, v_org);
  end if;
  insert into ops.job (id, seq, created_at, run_at, lane_id, max_attempts, organization_id, trace_id, created_by, unique_key, options,
                       payload)
  values (job_id, v_seq, created_at, run_at, v_lane, coalesce(p_max_attempts, 5), v_org, v_trace::uuid, ops.current_actor(),
          p_unique_key, p_options, p_payload);
  insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
  values (v_lane, v_org, (v_seq is not null)::integer, (v_seq is null)::integer, 0);
end $$;

create function ops.queue_job(
  p_type     text,
  p_payload  jsonb,
  p_priority integer     default 0,
  p_run_at   timestamptz default now()
) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  return (ops.queue_one_job(p_type, p_payload, p_priority, p_run_at, null, null, null)).job_id;
end $$;
comment on function ops.queue_job is 'Queues a job in the caller''s transaction; it runs only if that commits.';

create function ops.queue_job_idempotent(
  p_type            text,
  p_payload         jsonb,
  p_idempotency_key text,
  p_priority        integer     default 0,
  p_run_at          timestamptz default now()
) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  return (ops.queue_one_job(p_type, p_payload, p_priority, p_run_at, coalesce(p_idempotency_key, ''), null, null)).job_id;
end $$;
comment on function ops.queue_job_idempotent is 'The id of the unfinished job with that key, queued if there is none.';

do $$
declare
  v_api      text := current_setting('dragonfly.api_role');
  v_worker   text := current_setting('dragonfly.worker_role');
begin
  execute format('grant execute on function ops.queue_jobs(jsonb), ops.queue_job(text, jsonb, integer, timestamptz),
    ops.queue_job_idempotent(text, jsonb, text, integer, timestamptz), ops.wake(text[]) to %I, %I', v_api, v_worker);
  execute format('grant execute on function ops.queue_one_job(text, jsonb, integer, timestamptz, text, integer, jsonb),
    ops.queue_jobs_of_callers(jsonb) to %I', v_api);
end $$;
