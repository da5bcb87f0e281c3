-- Owner: platform
-- Compatibility: first release
--
-- What clients and operators see and do. Where a job is now follows from what was written of it last: a few probes a job,
-- however long the queue.

-- ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Of every organisation, for the functions: an end in its last outcome; else it waits, ready or scheduled; else somebody works
-- on it, by a claim of its own or one of the few open claims of its lane.
create view ops.job_now as
  select j.id, l.type,
         case when e.ended then (o.last).status::text when r.waits or s.job_id is not null then 'pending' else 'processing' end as status,
         l.priority::integer as priority, j.payload, j.unique_key,
         case when e.ended then (o.last).attempt when r.waits then 0 when s.job_id is not null then s.attempt - 1 else w.attempt
         end::integer as attempts,
         j.max_attempts::integer as max_attempts, j.organization_id, j.created_by, encode(uuid_send(j.trace_id), 'hex') as trace_id,
         j.created_at, coalesce(s.run_at, j.run_at) as run_at,
         case when e.ended then (select c.claimed_at from ops.claim c where c.id = (o.last).claim_id) else w.claimed_at end as started_at,
         case when e.ended then (o.last).at end as finished_at, o.error as last_error,
         case when e.ended then (o.last).result end as result, j.options, w.claim_id as lease_token
    from ops.job j
    join ops.lane l on l.id = j.lane_id
   cross join lateral (
      select (array_agg(o order by o.run desc))[1] as last,
             (array_agg(o.error order by o.run desc) filter (where o.error is not null))[1] as error
        from ops.outcome o where o.job_id = j.id) o
   cross join lateral (select coalesce((o.last).status in ('completed', 'failed', 'cancelled'), false) as ended offset 0) e
    left join lateral (
      select true as waits from ops.ready r
       where (o.last).run is null and r.lane_id = j.lane_id and r.seq = j.seq and j.id = any (r.job_ids) offset 0) r on true
    left join lateral (
      select * from ops.scheduled s where not e.ended and r.waits is null and s.job_id = j.id offset 0) s on true
    left join lateral (
      select x.* from (
        select y.claim_id, y.claimed_at, coalesce((select c.attempts[1] from ops.claim c where c.id = y.claim_id), 1) as attempt
          from ops.lease y
         where not e.ended and r.waits is null and s.job_id is null and y.job_id = j.id
        union all
        select y.claim_id, y.claimed_at, coalesce(c.attempts[array_position(c.job_ids, j.id)], 1)
          from ops.lease y
         cross join lateral (select * from ops.claim c where c.id = y.claim_id offset 0) c
         where not e.ended and r.waits is null and s.job_id is null and y.job_id is null
           and y.lane_id in (select m.id from ops.lane m where m.type = l.type and m.priority = l.priority)
           and j.id = any (c.job_ids)) x
       order by x.claim_id desc limit 1) w on true;

create view ops.jobs with (security_barrier) as
  select id, type, status, priority, payload, unique_key, attempts, max_attempts, organization_id, created_by, trace_id, created_at,
         run_at, started_at, finished_at, last_error, result, options
    from ops.job_now where organization_id = ops.current_organization();

-- The same of one job, also for a caller without an organisation.
create function ops.show_job(p_job_id uuid) returns setof ops.jobs
language sql stable
as $$
  select id, type, status, priority, payload, unique_key, attempts, max_attempts, organization_id, created_by, trace_id, created_at,
         run_at, started_at, finished_at, last_error, result, options
    from ops.job_now where id = p_job_id and organization_id is not distinct from ops.current_organization();
$$;

-- A page of the organisation's jobs, newest first, and where the next one starts, null on the last one. However rare what is
-- asked for, it looks at two thousand jobs at most: a page may come back short. Dead letters have a table of their own.
create function ops.scan_jobs(
  p_type text, p_status text, p_from timestamptz, p_before timestamptz, p_after uuid, p_limit integer, out ids uuid[], out next uuid
) language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off
as $$
declare
  v_most  constant integer := case when p_type is null and p_status is null then least(coalesce(p_limit, 100), 1000) else 2000 end;
  v_below uuid := least(coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
                        coalesce(ops.uuid_at(p_before + interval '1 second'), 'ffffffff-ffff-ffff-ffff-ffffffffffff'));
  v_from  uuid := coalesce(ops.uuid_at(p_from), '00000000-0000-0000-0000-000000000000');
  v_org   uuid := ops.current_organization();
  v_limit constant integer := least(coalesce(p_limit, 100), 1000);
  v_seen  integer;
  v_last  uuid;
begin
  if p_status = 'failed' then
    ids := array(
      select d.job_id from ops.lane l
        cross join lateral (select d.job_id from ops.dead_letter d
                             where d.lane_id = l.id and d.organization_id = v_org and d.job_id < v_below and d.job_id >= v_from
                             order by d.job_id desc limit v_limit) d
        cross join lateral (select j.created_at from ops.job j where j.id = d.job_id offset 0) j
       where (p_type is null or l.type = p_type) and (p_from is null or j.created_at >= p_from) and (p_before is null or j.created_at < p_before)
       order by d.job_id desc limit v_limit);
    next := case when cardinality(ids) = v_limit then ids[v_limit] end;
    return;
  end if;

  with seen as materialized (
    select j.id, j.lane_id, j.created_at from ops.job j
     where j.organization_id = v_org and j.id < v_below and j.id >= v_from order by j.id desc limit v_most
  ), fit as (
    select s.id from seen s join ops.lane l on l.id = s.lane_id
     where (p_type is null or l.type = p_type) and (p_from is null or s.created_at >= p_from) and (p_before is null or s.created_at < p_before)
       and (p_status is null or (select n.status from ops.job_now n where n.id = s.id) = p_status)
     order by s.id desc limit v_limit
  )
  select array(select f.id from fit f), (select count(*) from seen), (select min(s.id::text)::uuid from seen s) into ids, v_seen, v_last;
  next := case when cardinality(ids) = v_limit then ids[v_limit] when v_seen = v_most then v_last end;
end $$;

-- The figures of a queue are sums of what was counted and of the few open claims; only what is due among the scheduled jobs
-- is counted, up to ten thousand a lane, and the oldest of an organisation looked for among the first thousand batches. The time is a
-- sub-select because a volatile function is no bound of an index; the last claim of a lane is looked for as ops.place_of does.
create function ops.queue_figures()
returns table (type text, depth integer, scheduled integer, processing integer, failed integer, oldest_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off
as $$
  select l.type, sum(coalesce(t.ready, 0) + coalesce(d.due, 0))::integer as depth,
         sum(coalesce(t.scheduled, 0) - coalesce(d.due, 0))::integer as scheduled, sum(coalesce(w.jobs, 0))::integer as processing,
         sum(coalesce(t.dead, 0))::integer as failed, least(min(d.since), min(r.since)) as oldest_at
    from ops.lane l
    left join (
      select lane_id, sum(ready) as ready, sum(scheduled) as scheduled, sum(dead) as dead from ops.tally
       where organization_id = ops.current_organization() group by lane_id) t on t.lane_id = l.id
    left join (
      select y.lane_id, count(*) as jobs
        from ops.lease y
       cross join lateral (select * from ops.claim c where c.id = y.claim_id offset 0) c
       cross join unnest(c.job_ids, c.runs) u (job_id, run)
       cross join lateral (
          select from ops.job j where j.id = u.job_id and j.organization_id = ops.current_organization() offset 0) j
        left join lateral (
          select true as ended from ops.outcome o where o.job_id = u.job_id and o.run = coalesce(u.run, 1) offset 0) o on true
       where o.ended is null
       group by y.lane_id) w on w.lane_id = l.id
    left join lateral (
      select count(*) as due, min(run_at) as since from (
        select s.run_at from ops.scheduled s
         where t.scheduled > 0 and s.lane_id = l.id and s.run_at <= (select clock_timestamp()) and s.organization_id = ops.current_organization()
           and s.run_at >= coalesce((select c.due_floor from ops.claim c where c.lane_id between l.id and l.id order by c.lane_id desc, c.id desc limit 1), '-infinity')
         order by s.run_at limit 10000) s) d on true
    left join lateral (
      select (select j.run_at from ops.job j where j.id = r.job_ids[1]) as since from (
        select * from ops.ready r
         where t.ready > 0 and r.lane_id = l.id
           and r.seq > coalesce((select c.floor from ops.claim c where c.lane_id between l.id and l.id order by c.lane_id desc, c.id desc limit 1), 0)
         order by r.seq limit 1000) r
       where r.organization_id = ops.current_organization() order by r.seq limit 1) r on true
   where t.lane_id is not null or w.lane_id is not null
   group by l.type
  having sum(coalesce(t.ready, 0) + coalesce(t.scheduled, 0) + coalesce(t.dead, 0) + coalesce(w.jobs, 0)) > 0;
$$;

create view ops.queues with (security_barrier) as select * from ops.queue_figures();

-- Totals over all organisations, for metrics.
create function ops.queue_stats()
returns table (type text, depth integer, scheduled integer, processing integer, failed integer, oldest_age_seconds double precision)
language sql volatile security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set jit = off
as $$
  select l.type, sum(coalesce(t.ready, 0) + coalesce(d.due, 0))::integer, sum(coalesce(t.scheduled, 0) - coalesce(d.due, 0))::integer,
         sum(coalesce(w.jobs, 0))::integer, sum(coalesce(t.dead, 0))::integer,
         coalesce(greatest(extract(epoch from clock_timestamp() - least(min(d.since), min(r.since))), 0), 0)::double precision
    from ops.lane l
    left join (select lane_id, sum(ready) as ready, sum(scheduled) as scheduled, sum(dead) as dead from ops.tally group by lane_id) t
      on t.lane_id = l.id
    left join (select lane_id, sum(unsettled) as jobs from ops.lease group by lane_id) w on w.lane_id = l.id
    left join lateral (
      select count(*) as due, min(run_at) as since from (
        select s.run_at from ops.scheduled s
         where t.scheduled > 0 and s.lane_id = l.id and s.run_at <= (select clock_timestamp())
           and s.run_at >= coalesce((select c.due_floor from ops.claim c where c.lane_id between l.id and l.id order by c.lane_id desc, c.id desc limit 1), '-infinity')
         order by s.run_at limit 10000) s) d on true
    left join lateral (
      select (select j.run_at from ops.job j where j.id = r.job_ids[1]) as since from ops.ready r
       where t.ready > 0 and r.lane_id = l.id
         and r.seq > coalesce((select c.floor from ops.claim c where c.lane_id between l.id and l.id order by c.lane_id desc, c.id desc limit 1), 0)
       order by r.seq limit 1) r on true
   where t.lane_id is not null or w.lane_id is not null
   group by l.type;
$$;

create view ops.queue_pauses with (security_barrier) as
  select type, min(paused_at) as paused_at from ops.queue_pause
   where type is not null and (organization_id = ops.current_organization() or organization_id is null)
   group by type;

create function ops.frozen_since() returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp
return (select paused_at from ops.queue_pause where type is null and organization_id is null);
comment on function ops.frozen_since is 'Since when no claim finds anything, null when the queues are not frozen.';

create view ops.workers with (security_barrier) as
  select id, type, status, command, started_at, last_seen_at,
         status <> 'stopped' and last_seen_at + dead_after > clock_timestamp() as alive
    from ops.worker;

-- ── acts on jobs ─────────────────────────────────────────────────────────────────────────────────────────────────

-- Ends a run without a worker: writes its outcome, with the attempt that it would have been or was. The caller has locked the
-- row that says where the job is.
create function ops.end_run(p_job_id uuid, p_attempt integer, p_status ops.outcome_status, p_claim_id bigint) returns smallint
language sql
as $$
  insert into ops.outcome (job_id, run, attempt, status, claim_id, at)
  values (p_job_id, coalesce((select max(o.run) from ops.outcome o where o.job_id = p_job_id), 0) + 1, p_attempt, p_status, p_claim_id,
          clock_timestamp())
  returning run;
$$;

-- Takes a job that waits out of the queue. Returns how many attempts it has had, null if it does not wait (any more).
create function ops.take_out(p_job ops.job) returns integer
language plpgsql
as $$
declare
  v_attempts integer;
  v_lane     integer;
begin
  if p_job.seq is not null then
    update ops.ready r set job_ids = array_remove(r.job_ids, p_job.id)
     where r.lane_id = p_job.lane_id and r.seq = p_job.seq and p_job.id = any (r.job_ids);
    if found then
      insert into ops.tally (lane_id, organization_id, ready, scheduled, dead) values (p_job.lane_id, p_job.organization_id, -1, 0, 0);
      return 0;
    end if;
  end if;
  delete from ops.scheduled s where s.job_id = p_job.id returning s.attempt - 1, s.lane_id into v_attempts, v_lane;
  if found then
    insert into ops.tally (lane_id, organization_id, ready, scheduled, dead) values (v_lane, p_job.organization_id, 0, -1, 0);
  end if;
  return v_attempts;
end $$;

-- Settles a job of a claim whose worker is not asked.
create function ops.settle_one(p_claim_id bigint) returns void
language sql
as $$
  with over as (delete from ops.lease l where l.claim_id = p_claim_id and l.unsettled = 1)
  update ops.lease l set unsettled = l.unsettled - 1 where l.claim_id = p_claim_id and l.unsettled > 1;
$$;

-- Takes effect on a pending or processing job; any other is returned as it is. No row: there is no such job. The worker of
-- the attempt that this ends hears its lease token.
create function ops.cancel_job(p_job_id uuid) returns setof ops.jobs
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_job      ops.job;
  v_now      record;
  v_attempts integer;
  v_token    bigint;
  v_outcome  text := 'unchanged';
begin
  select * into v_job from ops.job j where j.id = p_job_id and j.organization_id is not distinct from ops.current_organization();
  -- It may be claimed, reported or returned while this waits for whoever does it: then it looks again.
  for n in 1..1000 loop
    select n.status, n.lease_token into v_now from ops.job_now n where n.id = v_job.id;
    exit when v_now.status is null or v_now.status not in ('pending', 'processing');
    v_attempts := ops.take_out(v_job);
    if v_attempts is null and v_now.lease_token is not null then
      perform from ops.lease l where l.claim_id = v_now.lease_token for update;
      select n.lease_token, n.attempts into v_token, v_attempts from ops.job_now n
       where n.id = p_job_id and n.status = 'processing' and n.lease_token = v_now.lease_token;
      perform ops.settle_one(v_token);
    end if;
    if v_attempts is not null then
      perform ops.end_run(p_job_id, v_attempts, 'cancelled', v_token);
      delete from ops.unique_key k where k.job_id = p_job_id;
      if v_token is not null then
        perform pg_notify('ops_job_cancelled', p_job_id || ' ' || v_token);
      end if;
      v_outcome := 'done';
      exit;
    end if;
  end loop;
  perform ops.audit('job.cancel', p_job_id::text, case when v_job.id is null then 'not_found' else v_outcome end);
  return query select * from ops.show_job(p_job_id);
end $$;

-- Queues an ended job again, with all its attempts. Who comes second finds that it is done.
create function ops.redrive(p_job_id uuid) returns boolean
language plpgsql
as $$
declare
  v_job ops.job;
  v_last ops.outcome;
  v_now timestamptz;
  v_was_dead boolean;
begin
  -- Who redrives, purges or drops it, too, does it before or after this. It may have been redriven since its caller looked.
  perform from ops.dead_letter d where d.job_id = p_job_id for update;
  select * into v_job from ops.job j where j.id = p_job_id for update;
  if not found then
    return false;
  end if;
  -- Not from before the wait: sweeps may start after that by now.
  v_now := clock_timestamp();
  select * into v_last from ops.outcome o where o.job_id = p_job_id order by o.run desc limit 1;
  if v_last.status not in ('failed', 'cancelled') or v_last.run >= 32000 then
    return false;
  end if;
  insert into ops.outcome (job_id, run, attempt, status, at) values (p_job_id, v_last.run + 1, 0, 'redriven', v_now)
  on conflict do nothing;
  if not found then
    return false;
  end if;
  if v_job.unique_key is not null then
    insert into ops.unique_key (organization_id, type, key, job_id)
    select v_job.organization_id, l.type, v_job.unique_key, v_job.id from ops.lane l where l.id = v_job.lane_id;
  end if;
  delete from ops.dead_letter d where d.job_id = p_job_id;
  v_was_dead := found;
  insert into ops.scheduled (job_id, run_at, lane_id, run, attempt, keyed, organization_id)
  values (v_job.id, v_now, v_job.lane_id, v_last.run + 2, 1, v_job.unique_key is not null, v_job.organization_id);
  insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
  values (v_job.lane_id, v_job.organization_id, 0, 1, -v_was_dead::integer);
  return true;
end $$;

-- A failed or cancelled job gets all its attempts again; a scheduled one runs now; any other is returned as it is.
create function ops.retry_job(p_job_id uuid) returns setof ops.jobs
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_now  record;
  v_done boolean := false;
begin
  select n.status into v_now from ops.job_now n
   where n.id = p_job_id and n.organization_id is not distinct from ops.current_organization();
  if v_now.status = 'pending' then
    update ops.scheduled s set run_at = clock_timestamp() where s.job_id = p_job_id and s.run_at > clock_timestamp();
    v_done := found;
  elsif v_now.status in ('failed', 'cancelled') then
    v_done := ops.redrive(p_job_id);
  end if;
  perform ops.audit('job.retry', p_job_id::text,
                    case when v_now.status is null then 'not_found' when v_done then 'done' else 'unchanged' end);
  return query select * from ops.show_job(p_job_id);
end $$;

-- The oldest dead letters of the organisation's queue, at most p_most of them; locked, but for what others have locked.
create function ops.dead_letters_of(p_type text, p_most integer) returns setof uuid
language plpgsql
as $$
begin
  perform ops.refuse(case
    when coalesce(length(p_type), 0) not between 1 and 100 then 'p_type must have 1 to 100 characters'
    when coalesce(p_most, 0) not between 1 and 1000 then 'p_most must be 1 to 1000'
  end);
  return query
    select d.job_id from ops.dead_letter d
     where d.lane_id in (select l.id from ops.lane l where l.type = p_type)
       and d.organization_id is not distinct from ops.current_organization()
     order by d.job_id limit p_most for update skip locked;
end $$;

-- Queues the oldest dead letters again and says how many. One whose unique key another job has stays dead. They take their keys
-- in the order in which a batch does.
create function ops.redrive_jobs(p_type text, p_most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_id    uuid;
  v_count integer := 0;
begin
  for v_id in
    select d.id from ops.dead_letters_of(p_type, p_most) d (id)
     order by (select j.unique_key from ops.job j where j.id = d.id), d.id
  loop
    begin
      v_count := v_count + ops.redrive(v_id)::integer;
    exception when unique_violation then null;
    end;
  end loop;
  perform ops.audit('queue.redrive', p_type, ops.audit_outcome(v_count), jsonb_build_object('jobs', v_count));
  return v_count;
end $$;

-- Deletes dead letters with all that is known of them, oldest first, and says how many. Of a claim that has other unfinished jobs
-- the outcome stays, empty: without it one more report of the job would count, and end the lease of the others.
create function ops.purge_jobs(p_type text, p_most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_ids uuid[] := array(select ops.dead_letters_of(p_type, p_most));
begin
  insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
  select d.lane_id, d.organization_id, 0, 0, -count(*) from ops.dead_letter d where d.job_id = any (v_ids) group by d.lane_id, d.organization_id;
  delete from ops.dead_letter d where d.job_id = any (v_ids);
  update ops.outcome o set error = null, result = null
   where o.job_id = any (v_ids) and exists (select from ops.lease l where l.claim_id = o.claim_id);
  delete from ops.outcome o
   where o.job_id = any (v_ids) and not exists (select from ops.lease l where l.claim_id = o.claim_id);
  delete from ops.job j where j.id = any (v_ids);
  perform ops.audit('queue.purge', p_type, ops.audit_outcome(cardinality(v_ids)), jsonb_build_object('jobs', cardinality(v_ids)));
  return cardinality(v_ids);
end $$;

-- ── acts on queues and workers ───────────────────────────────────────────────────────────────────────────────────

-- Workers hear of a pause and give back what they have claimed but not begun; an empty name stands for all.
create function ops.pause_queue(p_type text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select ops.refuse(case when coalesce(length(p_type), 0) not between 1 and 100 then 'p_type must have 1 to 100 characters' end);
  with paused as (
    insert into ops.queue_pause (type, organization_id, paused_by)
    values (p_type, ops.current_organization(), ops.current_actor()) on conflict do nothing returning 1)
  select ops.audit('queue.pause', p_type, ops.audit_outcome((select count(*) from paused)));
  select pg_notify('ops_queue_paused', p_type || ' ' || coalesce(ops.current_organization()::text, ''));
$$;

create function ops.resume_queue(p_type text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select ops.refuse(case when coalesce(length(p_type), 0) not between 1 and 100 then 'p_type must have 1 to 100 characters' end);
  with resumed as (
    delete from ops.queue_pause where type = p_type and organization_id is not distinct from ops.current_organization() returning 1)
  select ops.audit('queue.resume', p_type, ops.audit_outcome((select count(*) from resumed)));
  select ops.wake(array[p_type]);
$$;

-- For a release: no claim finds anything until the queues are unfrozen. What runs goes on.
create function ops.freeze_queues() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  with frozen as (
    insert into ops.queue_pause (type, organization_id, paused_by) values (null, null, ops.current_actor()) on conflict do nothing
    returning 1)
  select ops.audit('queues.freeze', null, ops.audit_outcome((select count(*) from frozen)));
  select pg_notify('ops_queue_paused', ' ');
$$;

create function ops.unfreeze_queues() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  with unfrozen as (delete from ops.queue_pause where type is null and organization_id is null returning 1)
  select ops.audit('queues.unfreeze', null, ops.audit_outcome((select count(*) from unfrozen)));
  select ops.wake(array(select distinct type from ops.lane));
$$;

-- drain: takes no more jobs; stop: drains and ends; run: neither. Takes effect at once, or with the worker's next beat.
create function ops.command_worker(p_worker_id text, p_command text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_found boolean;
begin
  perform ops.refuse(case when coalesce(p_command, '') not in ('run', 'drain', 'stop') then 'p_command must be run, drain or stop' end);
  update ops.worker set command = p_command where id = p_worker_id;
  v_found := found;
  if v_found then
    perform pg_notify('ops_worker_command', p_worker_id || ' ' || p_command);
  end if;
  perform ops.audit('worker.command', left(p_worker_id, 200), case when v_found then 'done' else 'not_found' end,
                    jsonb_build_object('command', p_command));
  return v_found;
end $$;
comment on function ops.command_worker is 'Whether there is such a worker.';

do $$
declare
  v_api      text := current_setting('dragonfly.api_role');
  v_worker   text := current_setting('dragonfly.worker_role');
  v_readonly text := current_setting('dragonfly.readonly_role');
begin
  execute format('grant select on ops.jobs, ops.queues, ops.queue_pauses, ops.workers to %I, %I', v_api, v_readonly);
  execute format('grant execute on function ops.queue_figures() to %I, %I', v_api, v_readonly);
  execute format('grant execute on function ops.scan_jobs(text, text, timestamptz, timestamptz, uuid, integer) to %I, %I', v_api, v_readonly);
  execute format('grant execute on function ops.frozen_since() to %I, %I', v_api, v_worker);
  execute format('grant execute on function ops.cancel_job(uuid), ops.retry_job(uuid), ops.redrive_jobs(text, integer),
    ops.purge_jobs(text, integer), ops.pause_queue(text), ops.resume_queue(text) to %I', v_api);
  execute format('grant execute on function ops.queue_stats() to %I', v_worker);
end $$;
