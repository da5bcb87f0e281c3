-- What both narrow tables have in common, created after hinted.sql or batches.sql: outcomes, claims, retention, and the way of
-- a job once it is claimed.

-- The fence: of two outcomes of one run, only the first is stored.
create table ops.outcome (
  job_id   uuid        not null,
  run      smallint    not null,
  status   text        not null,
  claim_id bigint,                           -- null: nobody ran it
  at       timestamptz not null default clock_timestamp(),
  retry_at timestamptz,                      -- with the lane, where ops.scheduled has the next run
  error    text,
  result   jsonb,
  primary key (job_id, run)
) partition by range (job_id);

create table ops.scheduled (
  lane_id integer     not null,
  run_at  timestamptz not null,
  job_id  uuid        not null,
  run     smallint    not null,
  attempt smallint    not null,
  primary key (lane_id, run_at, job_id)
);

-- One row a batch: who has which jobs, and how far the lane is read.
create sequence ops.claim_seq;
create table ops.claim (
  lane_id     integer     not null,
  id          bigint      not null,
  worker_id   text        not null,
  claimed_at  timestamptz not null,
  lease_until timestamptz,                   -- null: the worker's beats decide
  job_ids     uuid[]      not null,
  runs        smallint[],                    -- of the first of them; those after these are in their first run
  attempts    smallint[],
  hint        bigint      not null,          -- fresh jobs up to here were taken by this claim or one before
  due_hint    timestamptz not null,
  next_xid    xid8        not null,          -- whoever drew a seq up to the hint has an older xid
  floor       bigint      not null,          -- below it a sweep found nothing, and nothing can appear any more
  swept_at    timestamptz not null,
  sweep_took  interval    not null,
  reaped      boolean     not null default false,
  primary key (lane_id, id)
) partition by range (id);                   -- of a fixed number of claims; dropped when their last one is old enough
create index claim_worker on ops.claim (worker_id, id);
create index claim_lease on ops.claim (lease_until) where lease_until is not null and not reaped;
alter table ops.claim alter job_ids set storage external;

-- ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────

-- What is unfinished or a dead letter when its partition goes, and whatever nobody made a partition for.
create table ops.job_kept partition of ops.job default;
create table ops.outcome_kept partition of ops.outcome default;

create function ops.uuid_at(p_at timestamptz) returns uuid language sql immutable
return (rpad(lpad(to_hex(floor(extract(epoch from p_at) * 1000)::bigint), 12, '0'), 32, '0'))::uuid;

-- Partitions for the ids of a time. The next one is made long before it is needed.
create function ops.make_partition(p_name text, p_from timestamptz, p_to timestamptz) returns void language plpgsql as $$
begin
  execute format('create table ops.job_%s partition of ops.job for values from (%L) to (%L)', p_name, ops.uuid_at(p_from), ops.uuid_at(p_to));
  execute format('create table ops.outcome_%s partition of ops.outcome for values from (%L) to (%L)', p_name, ops.uuid_at(p_from), ops.uuid_at(p_to));
end $$;

create function ops.make_claim_partition(p_name text, p_from bigint, p_to bigint) returns void language plpgsql as $$
begin
  execute format('create table ops.claim_%s partition of ops.claim for values from (%s) to (%s)', p_name, p_from, p_to);
end $$;

-- What is unfinished or a dead letter stays, the rest goes with the files. Steps back after 50 ms: a waiting drop would
-- stall everybody behind it.
create function ops.drop_partition(p_name text) returns void language plpgsql set lock_timeout = '50ms' as $$
begin
  execute format('alter table ops.job detach partition ops.job_%1$s', p_name);
  execute format('alter table ops.outcome detach partition ops.outcome_%1$s', p_name);
  execute format($q$
    with unfinished as materialized (
      select j.* from ops.job_%1$s j where not exists (
        select from ops.outcome_%1$s o where o.job_id = j.id and o.status in ('completed', 'cancelled'))),
    jobs as (insert into ops.job select * from unfinished)
    insert into ops.outcome select o.* from ops.outcome_%1$s o join unfinished u on u.id = o.job_id$q$, p_name);
  execute format('drop table ops.job_%1$s, ops.outcome_%1$s', p_name);
end $$;

-- ── working ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- Where the scan of a lane starts. The newest of the last claims whose hint no running transaction can get behind; if one
-- has been running for longer than they go back, the oldest of them: then the sweep finds what it commits.
create type ops.place as (hint bigint, due_hint timestamptz, floor bigint, sweep boolean, safe bigint);
create function ops.place_of(p_lane integer, p_now timestamptz) returns ops.place language plpgsql as $$
declare
  v_claim record;
  v_place ops.place := (0, '-infinity', 0, true, 0);
  v_xmin  xid8 := pg_snapshot_xmin(pg_current_snapshot());
  v_first boolean := true;
begin
  for v_claim in
    select c.hint, c.due_hint, c.next_xid, c.floor, c.swept_at, c.sweep_took
      from ops.claim c where c.lane_id = p_lane order by c.id desc limit 16
  loop
    if v_first then
      v_place.floor := v_claim.floor;
      v_place.sweep := p_now > v_claim.swept_at + greatest('250 ms', 20 * v_claim.sweep_took);
      v_first := false;
    end if;
    v_place.hint := v_claim.hint;
    v_place.due_hint := v_claim.due_hint;
    if v_claim.next_xid <= v_xmin then
      v_place.safe := v_claim.hint;
      exit;
    end if;
  end loop;
  v_place.safe := greatest(v_place.safe, v_place.floor);
  return v_place;
end $$;

-- One round trip, lanes in the order of their priority. The settings fix the access paths: a queue outruns its statistics.
create function ops.claim_jobs(p_types text[], p_limit integer, p_lock_timeout_minutes integer, p_worker text)
returns table (claim_id bigint, run smallint, job_id uuid, job_type text, payload jsonb, attempt smallint,
               max_attempts smallint, priority smallint, created_at timestamptz, run_at timestamptz, trace_id uuid, organization_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  v_left   integer := p_limit;
  v_lane   integer;
  v_got    integer;
  v_beats  boolean := exists (select from ops.worker w where w.id = p_worker);
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'jobs are claimed in READ COMMITTED only' using errcode = '25000';
  end if;
  for v_lane in select ops.lanes_of(p_types) loop
    return query select * from ops.claim_lane(v_lane, v_left, p_worker, case when not v_beats then make_interval(mins => p_lock_timeout_minutes) end);
    get diagnostics v_got = row_count;
    v_left := v_left - v_got;
    exit when v_left <= 0;
  end loop;
end $$;

-- Outcomes of runs, in arrays of the same length; the jobs whose outcome took effect. A failed run comes again after its
-- back-off, or is a dead letter when its attempts are used up.
create function ops.complete_jobs(p_claims bigint[], p_jobs uuid[], p_runs smallint[], p_attempts smallint[], p_statuses text[],
                                  p_errors text[] default null, p_backoffs double precision[] default null, p_results jsonb[] default null)
returns setof uuid language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  v_at     timestamptz := clock_timestamp();
  v_stored uuid[];
  v_again  boolean := array_position(p_statuses, 'retry') is not null or array_position(p_statuses, 'released') is not null
                     or array_position(p_statuses, 'failed') is not null;
begin
  -- In the order of the keys, so that two reports never wait for each other in a circle. Nearly always all are stored, and
  -- a plain INSERT writes a third less than one that is ready for a conflict.
  begin
    insert into ops.outcome (job_id, run, status, claim_id, at, retry_at, error, result)
    select u.job_id, u.run, u.status, u.claim_id, v_at, v_at + make_interval(secs => u.backoff), u.error, u.result
      from unnest(p_jobs, p_runs, p_statuses, p_claims, p_errors, p_backoffs, p_results) u (job_id, run, status, claim_id, error, backoff, result)
     order by u.job_id;
    v_stored := p_jobs;
  exception when unique_violation then
    with stored as (
      insert into ops.outcome (job_id, run, status, claim_id, at, retry_at, error, result)
      select u.job_id, u.run, u.status, u.claim_id, v_at, v_at + make_interval(secs => u.backoff), u.error, u.result
        from unnest(p_jobs, p_runs, p_statuses, p_claims, p_errors, p_backoffs, p_results) u (job_id, run, status, claim_id, error, backoff, result)
       order by u.job_id
      on conflict do nothing
      returning job_id)
    select coalesce(array_agg(s.job_id), '{}') into v_stored from stored s;
  end;
  if exists (select from ops.unique_key) then
    delete from ops.unique_key k where k.job_id = any (v_stored)
       and not exists (select from unnest(p_jobs, p_statuses) u (job_id, status) where u.job_id = k.job_id and u.status in ('retry', 'released'));
  end if;
  if v_again then perform ops.run_again(p_jobs, p_runs, p_attempts, v_at); end if;
  return query select unnest(v_stored);
end $$;

-- The next runs of what was just reported at p_at, and the dead letters among it.
create function ops.run_again(p_jobs uuid[], p_runs smallint[], p_attempts smallint[], p_at timestamptz) returns void language plpgsql as $$
begin
  with ended as materialized (
    select o.*, u.attempt, j.lane_id, u.attempt >= j.max_attempts and o.status <> 'released' or o.status = 'failed' as dead
      from (select u.job_id, coalesce(u.run, 1) as run, coalesce(u.attempt, 1) as attempt from unnest(p_jobs, p_runs, p_attempts) u (job_id, run, attempt)) u
      join ops.outcome o on o.job_id = u.job_id and o.run = u.run and o.at = p_at and o.status in ('retry', 'released', 'failed', 'lost')
      cross join lateral (select * from ops.job j where j.id = u.job_id offset 0) j
  ), dead as (
    insert into ops.dead_letter (job_id, lane_id, at, error) select job_id, lane_id, p_at, error from ended where dead
  )
  insert into ops.scheduled (lane_id, run_at, job_id, run, attempt)
  select lane_id, coalesce(retry_at, p_at), job_id, run + 1, attempt + (status <> 'released')::integer from ended where not dead;
end $$;

-- Runs of dead workers, and of claimants that never beat and whose lock time-out is over, go back to the queue. All of
-- them in one statement and in the order of the keys: a report of one of these workers may be under way.
create function ops.return_lost_jobs(p_now timestamptz default clock_timestamp()) returns integer language plpgsql as $$
declare
  v_at       timestamptz := clock_timestamp();
  v_ids      uuid[];
  v_runs     smallint[];
  v_attempts smallint[];
  v_count    integer;
begin
  with dead as (
    select c.lane_id, c.id from ops.worker w join ops.claim c on c.worker_id = w.id and c.id >= w.open_from
     where w.last_seen_at + w.dead_after < p_now and not c.reaped
    union
    select c.lane_id, c.id from ops.claim c where c.lease_until < p_now and not c.reaped
  ), locked as (
    select c.lane_id, c.id from ops.claim c join dead d using (lane_id, id) order by c.lane_id, c.id for update of c skip locked
  ), reaped as (
    update ops.claim c set reaped = true from locked l where c.lane_id = l.lane_id and c.id = l.id and not c.reaped
    returning c.id, c.job_ids, c.runs, c.attempts
  ), lost as (
    insert into ops.outcome (job_id, run, status, claim_id, at, error)
    select u.job_id, coalesce(u.run, 1), 'lost', r.id, v_at, 'The worker died or its lease expired before it reported an outcome.'
      from reaped r, unnest(r.job_ids, r.runs) u (job_id, run)
     order by u.job_id
    on conflict do nothing
    returning job_id, run
  )
  select array_agg(l.job_id), array_agg(l.run), array_agg(u.attempt), count(*) into v_ids, v_runs, v_attempts, v_count
    from lost l
    join (select u.job_id, coalesce(u.run, 1) as run, coalesce(u.attempt, 1)::smallint as attempt
            from reaped r, unnest(r.job_ids, r.runs, r.attempts) u (job_id, run, attempt)) u using (job_id, run);
  if v_count > 0 then perform ops.run_again(v_ids, v_runs, v_attempts, v_at); end if;
  return v_count;
end $$;
