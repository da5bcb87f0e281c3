-- Owner: platform
-- Compatibility: first release
--
-- The ops job queue. Words, used alike in SQL, code, API and metrics:
--   job         work to be done, one row of ops.job, kept when it is finished
--   claim       a worker takes a pending job; this counts one attempt and grants a lease
--   lease       the right to work on a job now, one row of ops.lease while the job is processing; its token fences
--   outcome     what the worker reports: completed, failed, pending (retry), cancelled, released (given back)
--   dead letter a job with the status failed; it stays until it is retried
--   heartbeat   a worker's sign of life; who ever beat is alive until dead_after has passed since the last beat
--
-- Writers lock the job first, then its lease. Only the database's clock decides. An argument out of its range is 22023.

create table ops.job (
  id              uuid        primary key,
  type            text        not null check (length(type) between 1 and 100),
  status          text        not null default 'pending'
                              check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  priority        integer     not null default 0 check (priority between -100 and 100),
  payload         jsonb       not null,
  unique_key      text        check (length(unique_key) between 1 and 200),
  attempts        integer     not null default 0 check (attempts between 0 and max_attempts),
  max_attempts    integer     not null default 5 check (max_attempts between 1 and 100),
  organization_id uuid,
  created_by      text,
  trace_id        text        not null check (trace_id ~ '^[0-9a-f]{32}$'),
  created_at      timestamptz not null default now(),
  run_at          timestamptz not null default now() check (isfinite(run_at)),
  started_at      timestamptz,
  finished_at     timestamptz,
  last_error      text,
  result          jsonb
);
create index job_ready on ops.job (priority desc, run_at, id) where status = 'pending';
create index job_listing on ops.job (organization_id, created_at desc, id desc);
create index job_open on ops.job (organization_id, type, status, run_at)
  where status in ('pending', 'processing', 'failed');
create unique index job_unique_key on ops.job (organization_id, type, unique_key) nulls not distinct
  where unique_key is not null and status in ('pending', 'processing');

create table ops.lease (
  job_id     uuid        primary key references ops.job (id) on delete cascade,
  token      uuid        not null,
  worker_id  text        check (length(worker_id) between 1 and 200),  -- null when its worker does not have it
  claimed_at timestamptz not null,
  expires_at timestamptz not null
);
create index lease_worker on ops.lease (worker_id);

create table ops.worker (
  id           text        primary key check (length(id) between 1 and 200),
  type         text        not null check (length(type) between 1 and 100),
  hostname     text,
  status       text        not null check (status in ('running', 'stopped', 'error')),
  dead_after   interval    not null default '60 seconds' check (dead_after between '1 second' and '1 hour'),
  started_at   timestamptz not null default now(),
  last_seen_at timestamptz not null
) with (fillfactor = 50);

-- A pause without an organisation holds for all of them.
create table ops.queue_pause (
  type            text        not null,
  organization_id uuid,
  paused_at       timestamptz not null default now(),
  paused_by       text,
  unique nulls not distinct (type, organization_id)
);

-- ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

create view ops.jobs with (security_barrier) as
  select * from ops.job where organization_id = ops.current_organization();

create view ops.queues with (security_barrier) as
  select type,
         count(*) filter (where status = 'pending' and run_at <= now())::integer as depth,
         count(*) filter (where status = 'pending' and run_at > now())::integer  as scheduled,
         count(*) filter (where status = 'processing')::integer                  as processing,
         min(run_at) filter (where status = 'pending' and run_at <= now())       as oldest_at
    from ops.job
   where organization_id = ops.current_organization() and status in ('pending', 'processing')
   group by type;

create view ops.queue_pauses with (security_barrier) as
  select type, min(paused_at) as paused_at from ops.queue_pause
   where organization_id = ops.current_organization() or organization_id is null
   group by type;

create view ops.workers with (security_barrier) as
  select id, type, status, started_at, last_seen_at,
         status <> 'stopped' and last_seen_at + dead_after > clock_timestamp() as alive
    from ops.worker;

-- Totals over all organisations, for metrics.
create function ops.queue_stats()
returns table (type text, depth integer, scheduled integer, processing integer, failed integer, oldest_age_seconds double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select j.type,
         count(*) filter (where j.status = 'pending' and j.run_at <= now())::integer,
         count(*) filter (where j.status = 'pending' and j.run_at > now())::integer,
         count(*) filter (where j.status = 'processing')::integer,
         count(*) filter (where j.status = 'failed')::integer,
         coalesce(extract(epoch from now() - min(j.run_at)
           filter (where j.status = 'pending' and j.run_at <= now())), 0)::double precision
    from ops.job j
   where j.status in ('pending', 'processing', 'failed')
   group by j.type;
$$;

-- ── queueing ─────────────────────────────────────────────────────────────────────────────────────────────────────

create function ops.refuse(p_fault text) returns void
language plpgsql immutable
as $$
begin
  if p_fault is not null then
    raise exception '%', p_fault using errcode = '22023';
  end if;
end $$;

create function ops.trace_for_jobs() returns text
language sql volatile
return coalesce(ops.current_trace(), replace(gen_random_uuid()::text, '-', ''));

create function ops.fault_of_job(
  p_trace_id text, p_type text, p_payload jsonb, p_priority integer, p_run_at timestamptz, p_unique_key text, p_max_attempts integer
) returns text
language sql immutable
return case
  when p_trace_id !~ '^[0-9a-f]{32}$' then 'ops.trace_id must be 32 lower-case hex digits'
  when coalesce(length(p_type), 0) not between 1 and 100 then 'type must have 1 to 100 characters'
  when p_payload is null then 'payload is required'
  when p_priority not between -100 and 100 then 'priority must be -100 (least urgent) to 100 (most urgent)'
  when not isfinite(p_run_at) then 'run_at must be a finite time'
  when length(p_unique_key) not between 1 and 200 then 'the unique key must have 1 to 200 characters'
  when p_max_attempts not between 1 and 100 then 'max_attempts must be 1 to 100'
end;

-- A run_at in the past means now: nobody overtakes by it. A payload may be JSON's null.
create function ops.insert_job(
  p_id uuid, p_trace_id text,
  p_type text, p_payload jsonb, p_priority integer, p_run_at timestamptz, p_unique_key text, p_max_attempts integer,
  out created boolean, out job ops.job
) language plpgsql
as $$
begin
  -- The job with the same key may finish between the insert and the look-up: then try again.
  loop
    insert into ops.job (id, type, payload, priority, run_at, unique_key, max_attempts, organization_id, created_by, trace_id)
    values (p_id, p_type, p_payload, coalesce(p_priority, 0), greatest(p_run_at, now()),
            p_unique_key, coalesce(p_max_attempts, 5), ops.current_organization(), ops.current_actor(), p_trace_id)
    on conflict (organization_id, type, unique_key) where unique_key is not null and status in ('pending', 'processing')
    do nothing
    returning * into job;
    created := found;
    exit when found;
    select * into job from ops.job j
     where j.organization_id is not distinct from ops.current_organization()
       and j.type = p_type and j.unique_key = p_unique_key and j.status in ('pending', 'processing');
    exit when found;
  end loop;
end $$;

-- Keys are inserted in their own order: two batches with the same keys wait for each other, but never deadlock. The ids
-- are in the order of the batch, and so are the claims of what is equally urgent.
create function ops.insert_jobs(p_jobs jsonb) returns table (ordinal bigint, created boolean, job ops.job)
language plpgsql
as $$
declare
  v_trace  text := ops.trace_for_jobs();
  v_wake   boolean := false;
  v_item   record;
  v_queued record;
begin
  perform ops.refuse(case
    when jsonb_typeof(p_jobs) is distinct from 'array' then 'p_jobs must be a JSON array'
  end);
  for v_item in
    with item as materialized (
      select ops.uuid_v7() as id, i.*, element -> 'payload' as payload
        from rows from (jsonb_array_elements(p_jobs),
                        jsonb_to_recordset(p_jobs) as (type text, priority integer, run_at timestamptz, unique_key text,
                                                       max_attempts integer))
             with ordinality as i (element, type, priority, run_at, unique_key, max_attempts, ordinal)
    )
    select item.*, ops.fault_of_job(v_trace, type, payload, priority, run_at, unique_key, max_attempts) as fault
      from item order by item.unique_key, item.type, item.ordinal
  loop
    if v_item.fault is not null then
      perform ops.refuse('job ' || v_item.ordinal || ': ' || v_item.fault);
    end if;
    v_queued := ops.insert_job(v_item.id, v_trace, v_item.type, v_item.payload, v_item.priority, v_item.run_at,
                               v_item.unique_key, v_item.max_attempts);
    ordinal := v_item.ordinal;
    created := v_queued.created;
    job := v_queued.job;
    v_wake := v_wake or created and job.run_at <= now();
    return next;
  end loop;
  if v_wake then
    perform pg_notify('ops_job_ready', '');
  end if;
end $$;

-- Each element: {type, payload, priority?, run_at?, unique_key?, max_attempts?}. All or nothing, in the order given.
-- `created` is false for a job that was there already: the same organisation, type and unique key, not yet finished.
create function ops.queue_jobs(p_jobs jsonb) returns table (created boolean, job ops.job)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select q.created, q.job from ops.insert_jobs(p_jobs) q order by q.ordinal;
$$;

-- One job, and nobody is woken: a NOTIFY lets its transactions commit one at a time only, so who queues many jobs in
-- transactions of their own notifies the channel ops_job_ready when they are committed.
create function ops.queue_one_job(
  p_type text, p_payload jsonb, p_priority integer, p_run_at timestamptz, p_unique_key text, p_max_attempts integer,
  out created boolean, out job ops.job
) language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_trace  text := ops.trace_for_jobs();
  v_fault  text := ops.fault_of_job(v_trace, p_type, p_payload, p_priority, p_run_at, p_unique_key, p_max_attempts);
  v_queued record;
begin
  if v_fault is not null then
    perform ops.refuse(v_fault);
  end if;
  v_queued := ops.insert_job(ops.uuid_v7(), v_trace, p_type, p_payload, p_priority, p_run_at, p_unique_key, p_max_attempts);
  created := v_queued.created;
  job := v_queued.job;
end $$;

-- Jobs of several callers, who share a transaction because they came at the same time. Each element is one of queue_jobs
-- without a key (who waits for a key lets nobody else wait), with its caller: {trace_id, organization_id, actor}. Nobody is
-- woken.
create function ops.queue_jobs_of_callers(p_jobs jsonb) returns table (created boolean, job ops.job)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_item   record;
  v_queued record;
begin
  for v_item in
    select i.*, i.element -> 'payload' as payload
      from rows from (jsonb_array_elements(p_jobs),
                      jsonb_to_recordset(p_jobs) as (type text, priority integer, run_at timestamptz, max_attempts integer,
                                                     trace_id text, organization_id text, actor text))
           with ordinality as i (element, type, priority, run_at, max_attempts, trace_id, organization_id, actor, ordinal)
     order by i.ordinal
  loop
    perform set_config('ops.trace_id', v_item.trace_id, true), set_config('ops.actor', v_item.actor, true),
            set_config('ops.organization_id', v_item.organization_id, true);
    v_queued := ops.queue_one_job(v_item.type, v_item.payload, v_item.priority, v_item.run_at, null, v_item.max_attempts);
    created := v_queued.created;
    job := v_queued.job;
    return next;
  end loop;
end $$;

create function ops.queue_and_wake(p_type text, p_payload jsonb, p_priority integer, p_run_at timestamptz, p_unique_key text)
returns uuid
language plpgsql
as $$
declare
  v_queued record := ops.queue_one_job(p_type, p_payload, p_priority, p_run_at, p_unique_key, null);
begin
  if v_queued.created and (v_queued.job).run_at <= now() then
    perform pg_notify('ops_job_ready', '');
  end if;
  return (v_queued.job).id;
end $$;

create function ops.queue_job(
  p_type     text,
  p_payload  jsonb,
  p_priority integer     default 0,
  p_run_at   timestamptz default now()
) returns uuid
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select ops.queue_and_wake(p_type, p_payload, p_priority, p_run_at, null);
$$;
comment on function ops.queue_job is 'Queues a job in the caller''s transaction; it runs only if that commits.';

create function ops.queue_job_idempotent(
  p_type            text,
  p_payload         jsonb,
  p_idempotency_key text,
  p_priority        integer     default 0,
  p_run_at          timestamptz default now()
) returns uuid
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select ops.queue_and_wake(p_type, p_payload, p_priority, p_run_at, coalesce(p_idempotency_key, ''));
$$;
comment on function ops.queue_job_idempotent is 'The id of the unfinished job with that key, queued if there is none.';

-- ── working ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- A worker that ever beat lives until dead_after has passed since its last beat; for any other the lock time-out
-- decides: the one of its claim or, where it is shorter, the one given here.
create function ops.lease_is_live(
  p_lease ops.lease, p_worker ops.worker, p_at timestamptz, p_lock_timeout_minutes integer default null
) returns boolean
language sql stable
return p_at < coalesce(
  (p_worker).last_seen_at + (p_worker).dead_after,
  least((p_lease).expires_at, (p_lease).claimed_at + make_interval(mins => p_lock_timeout_minutes)));

-- Jobs whose lease was dead at p_at go back to the queue, or to the dead letters if their attempts are used up. p_at
-- must be older than the snapshot: in a newer one no beat is missing, in an older one live workers look dead.
create function ops.return_lost_jobs(p_at timestamptz, p_job_types text[], p_lock_timeout_minutes integer default null)
returns setof ops.job
language plpgsql
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'jobs are claimed and reaped in READ COMMITTED only' using errcode = '25000';
  end if;
  -- An outcome that was committed before the lock was taken has deleted the lease: then nothing is left to end.
  return query
    with lost as materialized (
      select l.job_id
        from ops.lease l join ops.job j on j.id = l.job_id left join ops.worker w on w.id = l.worker_id
       where (p_job_types is null or j.type = any (p_job_types))
         and not ops.lease_is_live(l, w, p_at, p_lock_timeout_minutes)
         for update of j skip locked
    ), ended as (
      delete from ops.lease l using lost where l.job_id = lost.job_id returning l.job_id
    )
    update ops.job j
       set status      = case when j.attempts < j.max_attempts then 'pending' else 'failed' end,
           finished_at = case when j.attempts < j.max_attempts then null else clock_timestamp() end,
           last_error  = 'The worker died or its lease expired before it reported an outcome.'
      from ended where j.id = ended.job_id
    returning j.*;
  if found then
    perform pg_notify('ops_job_ready', '');
  end if;
end $$;

-- The settings fix the access path, because a queue outruns its statistics: job_ready in its order until the limit, then
-- one look-up a job.
create function ops.claim_jobs(p_job_types text[], p_limit integer, p_lock_timeout_minutes integer, p_worker_id text)
returns table (job_id uuid, job_type text, payload jsonb, attempts integer, created_at timestamptz, lease_token uuid,
               priority integer, max_attempts integer, run_at timestamptz, trace_id text, organization_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off
set enable_mergejoin = off set jit = off
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  perform ops.refuse(case
    when coalesce(length(p_worker_id), 0) not between 1 and 200
      then 'p_worker_id must have 1 to 200 characters, unique to this worker process'
    when coalesce(cardinality(p_job_types), 0) = 0 then 'p_job_types must name at least one job type'
    when coalesce(p_limit, 0) not between 1 and 1000 then 'p_limit must be 1 to 1000'
    when coalesce(p_lock_timeout_minutes, -1) not between 0 and 1440 then 'p_lock_timeout_minutes must be 0 to 1440'
  end);

  perform ops.return_lost_jobs(v_now, p_job_types);

  return query
    with picked as materialized (
      select j.id, gen_random_uuid() as token from ops.job j
       where j.status = 'pending' and j.run_at <= v_now and j.type = any (p_job_types)
         and not exists (select from ops.queue_pause p
                          where p.type = j.type
                            and (p.organization_id is null or p.organization_id = j.organization_id))
       order by j.priority desc, j.run_at, j.id
       limit p_limit
         for update of j skip locked
    ), started as (
      update ops.job j set status = 'processing', attempts = j.attempts + 1, started_at = v_now
        from picked where j.id = picked.id
      returning j.*, picked.token
    ), leased as (
      insert into ops.lease (job_id, token, worker_id, claimed_at, expires_at)
      select s.id, s.token, p_worker_id, v_now, v_now + make_interval(mins => p_lock_timeout_minutes) from started s
    )
    select s.id, s.type, s.payload, s.attempts, s.created_at, s.token,
           s.priority, s.max_attempts, s.run_at, s.trace_id, s.organization_id
      from started s
     order by s.priority desc, s.run_at, s.id;
end $$;

create function ops.claim_pending_job(
  p_job_types            text[],
  p_lock_timeout_minutes integer default 30,
  p_worker_id            text    default null
) returns table (job_id uuid, job_type text, payload jsonb, attempts integer, created_at timestamptz, lease_token uuid,
                 priority integer, max_attempts integer, run_at timestamptz, trace_id text, organization_id uuid)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select * from ops.claim_jobs(p_job_types, 1, p_lock_timeout_minutes, p_worker_id);
$$;

-- The fence: only the lease with this token changes the job; its deletion is what lets one outcome win.
create function ops.settle_job(
  p_job_id uuid, p_lease_token uuid, p_status text, p_error_message text, p_backoff_seconds double precision, p_result jsonb
) returns boolean
language plpgsql
as $$
declare
  v_job ops.job;
begin
  perform ops.refuse(case
    when coalesce(p_status, '') not in ('completed', 'failed', 'pending', 'cancelled', 'released')
      then 'the status must be completed, failed, pending (retry) or cancelled'
    when p_status = 'pending' and p_backoff_seconds is null then 'a retry needs a back-off'
    when p_status in ('pending', 'released') and p_backoff_seconds not between 0 and 31536000
      then 'a back-off must be 0 to 31536000 seconds'
  end);

  select * into v_job from ops.job where id = p_job_id for update;
  delete from ops.lease where job_id = p_job_id and token = p_lease_token;
  if not found then
    return false;
  end if;

  if p_status = 'pending' and v_job.attempts >= v_job.max_attempts then
    p_status := 'failed';
  end if;
  update ops.job
     set status      = case p_status when 'released' then 'pending' else p_status end,
         attempts    = case p_status when 'released' then attempts - 1 else attempts end,
         run_at      = case when p_status in ('pending', 'released')
                            then coalesce(clock_timestamp() + make_interval(secs => p_backoff_seconds), run_at) else run_at end,
         finished_at = case when p_status in ('completed', 'failed', 'cancelled') then clock_timestamp() end,
         last_error  = coalesce(left(p_error_message, 2000), last_error),
         result      = p_result
   where id = p_job_id;
  if p_status = 'released' and p_backoff_seconds is null then
    perform pg_notify('ops_job_ready', '');
  end if;
  return true;
end $$;

create function ops.update_job_status(
  p_job_id          uuid,
  p_status          text,
  p_error_message   text    default null,
  p_backoff_seconds integer default null
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_token uuid := nullif(current_setting('ops.lease_token', true), '')::uuid;
begin
  perform ops.refuse(case when p_status = 'released' then 'only complete_jobs gives a job back' end);
  if v_token is null then
    perform from ops.job where id = p_job_id for update;
    select l.token into v_token from ops.lease l left join ops.worker w on w.id = l.worker_id
     where l.job_id = p_job_id and ops.lease_is_live(l, w, clock_timestamp());
  end if;
  return ops.settle_job(p_job_id, v_token, p_status, p_error_message, p_backoff_seconds, null);
end $$;
comment on function ops.update_job_status is
  'Whether the outcome took effect. The lease token comes from the transaction-local setting ops.lease_token; without it the current attempt is meant, while its lease is live.';

-- Each element: {job_id, lease_token, status, error?, backoff_seconds?, result?}. The ids of the jobs it took effect on. A
-- job that is released goes back to its old place or, with a back-off, runs when that has passed.
create function ops.complete_jobs(p_outcomes jsonb) returns setof uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_item record;
begin
  for v_item in
    select * from jsonb_to_recordset(p_outcomes)
      as o (job_id uuid, lease_token uuid, status text, error text, backoff_seconds double precision, result jsonb)
     order by o.job_id
  loop
    if ops.settle_job(v_item.job_id, v_item.lease_token, v_item.status, v_item.error, v_item.backoff_seconds, v_item.result) then
      return next v_item.job_id;
    end if;
  end loop;
end $$;

create function ops.reap_stuck_jobs(p_lock_timeout_minutes integer default 30)
returns table (job_id uuid, job_type text, action_taken text, attempts integer, max_attempts integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  perform ops.refuse(case
    when coalesce(p_lock_timeout_minutes, -1) not between 0 and 1440 then 'p_lock_timeout_minutes must be 0 to 1440'
  end);
  return query
    select j.id, j.type, case j.status when 'pending' then 'requeued' else 'dead_lettered' end, j.attempts, j.max_attempts
      from ops.return_lost_jobs(v_now, null, p_lock_timeout_minutes) j;
end $$;

-- ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────────

create function ops.register_heartbeat(
  p_worker_id   text,
  p_worker_type text,
  p_hostname    text default null,
  p_status      text default 'running'
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform ops.refuse(case
    when coalesce(length(p_worker_id), 0) not between 1 and 200 then 'p_worker_id must have 1 to 200 characters'
    when coalesce(length(p_worker_type), 0) not between 1 and 100 then 'p_worker_type must have 1 to 100 characters'
    when coalesce(p_status, '') not in ('running', 'stopped', 'error') then 'p_status must be running, stopped or error'
  end);
  insert into ops.worker as w (id, type, hostname, status, last_seen_at)
  values (p_worker_id, p_worker_type, p_hostname, p_status, clock_timestamp())
  on conflict (id) do update
    set type = excluded.type, hostname = coalesce(excluded.hostname, w.hostname), status = excluded.status,
        last_seen_at = clock_timestamp();
  return p_worker_id;
end $$;

-- A beat that also says how long this worker may be silent and which leases it has (null: says nothing of them), and
-- learns which of those are gone.
create function ops.worker_beat(
  p_worker_id text, p_worker_type text, p_hostname text, p_status text, p_dead_after_seconds double precision, p_lease_tokens uuid[]
) returns setof uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform ops.refuse(case
    when p_dead_after_seconds not between 1 and 3600 then 'p_dead_after_seconds must be 1 to 3600'
  end);
  perform ops.register_heartbeat(p_worker_id, p_worker_type, p_hostname, p_status);
  update ops.worker set dead_after = make_interval(secs => p_dead_after_seconds)
   where id = p_worker_id and dead_after <> make_interval(secs => p_dead_after_seconds);
  -- Another worker's beat may hold a row that looks old: waiting for it could deadlock.
  delete from ops.worker where id in (
    select w.id from ops.worker w
     where w.last_seen_at < clock_timestamp() - interval '1 day'
       and not exists (select from ops.lease l where l.worker_id = w.id)
       for update skip locked);
  -- The answer to a claim can be lost on its way. A lease that its own worker does not have, once it is as old as a
  -- silence that means death, is dead too.
  update ops.lease set worker_id = null, expires_at = clock_timestamp() where job_id in (
    select l.job_id from ops.lease l
     where l.worker_id = p_worker_id and l.claimed_at < clock_timestamp() - make_interval(secs => p_dead_after_seconds)
       and l.token <> all (p_lease_tokens)
       for update skip locked);
  return query
    select t.token from unnest(p_lease_tokens) t (token)
     where not exists (select from ops.lease l where l.token = t.token and l.worker_id = p_worker_id);
end $$;

-- ── acts of clients on their own jobs ────────────────────────────────────────────────────────────────────────────

-- Takes effect on a pending or processing job; any other is returned as it is. No row: there is no such job. The worker of
-- the attempt that this ends hears its lease token.
create function ops.cancel_job(p_job_id uuid) returns setof ops.job
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job   ops.job;
  v_token uuid;
begin
  select * into v_job from ops.job
   where id = p_job_id and organization_id is not distinct from ops.current_organization() for update;
  if not found then
    return;
  end if;
  if v_job.status in ('pending', 'processing') then
    update ops.job set status = 'cancelled', finished_at = clock_timestamp() where id = p_job_id returning * into v_job;
    delete from ops.lease where job_id = p_job_id returning token into v_token;
    if found then
      perform pg_notify('ops_job_cancelled', v_token::text);
    end if;
  end if;
  return next v_job;
end $$;

-- A failed or cancelled job gets all its attempts again; a pending one runs now; any other is returned as it is.
create function ops.retry_job(p_job_id uuid) returns setof ops.job
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job ops.job;
begin
  select * into v_job from ops.job
   where id = p_job_id and organization_id is not distinct from ops.current_organization() for update;
  if not found then
    return;
  end if;
  if v_job.status in ('pending', 'failed', 'cancelled') then
    update ops.job
       set status      = 'pending',
           run_at      = case status when 'pending' then least(run_at, clock_timestamp()) else clock_timestamp() end,
           attempts    = case status when 'pending' then attempts else 0 end,
           finished_at = null
     where id = p_job_id
    returning * into v_job;
    perform pg_notify('ops_job_ready', '');
  end if;
  return next v_job;
end $$;

create function ops.pause_queue(p_type text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select ops.refuse(case when coalesce(length(p_type), 0) not between 1 and 100 then 'p_type must have 1 to 100 characters' end);
  insert into ops.queue_pause (type, organization_id, paused_by)
  values (p_type, ops.current_organization(), ops.current_actor()) on conflict do nothing;
$$;

create function ops.resume_queue(p_type text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  delete from ops.queue_pause where type = p_type and organization_id is not distinct from ops.current_organization();
  select pg_notify('ops_job_ready', '');
$$;

-- ── grants ───────────────────────────────────────────────────────────────────────────────────────────────────────

do $$
declare
  v_api      text := current_setting('dragonfly.api_role');
  v_worker   text := current_setting('dragonfly.worker_role');
  v_readonly text := current_setting('dragonfly.readonly_role');
begin
  execute format('grant select on ops.jobs, ops.queues, ops.queue_pauses, ops.workers to %I, %I', v_api, v_readonly);
  execute format('grant execute on function ops.queue_jobs(jsonb), ops.queue_job(text, jsonb, integer, timestamptz),
    ops.queue_job_idempotent(text, jsonb, text, integer, timestamptz) to %I, %I', v_api, v_worker);
  execute format('grant execute on function ops.queue_one_job(text, jsonb, integer, timestamptz, text, integer),
    ops.queue_jobs_of_callers(jsonb),
    ops.cancel_job(uuid), ops.retry_job(uuid), ops.pause_queue(text), ops.resume_queue(text) to %I', v_api);
  execute format('grant execute on function ops.claim_jobs(text[], integer, integer, text),
    ops.claim_pending_job(text[], integer, text), ops.update_job_status(uuid, text, text, integer),
    ops.complete_jobs(jsonb), ops.reap_stuck_jobs(integer), ops.register_heartbeat(text, text, text, text),
    ops.worker_beat(text, text, text, text, double precision, uuid[]), ops.queue_stats() to %I', v_worker);
end $$;
