-- Hinted table of batches. Like hinted.sql, but a row of ops.ready is what one call queued into one lane, up to fifty jobs:
-- queueing, locking and deleting cost a row a batch, and a pinned snapshot keeps a fiftieth of the dead rows.

-- Partitioned by the time in the id, like ops.outcome: one lookup touches one partition, and both are dropped together.
create table ops.job (
  id              uuid        not null,
  lane_id         integer     not null,
  seq             bigint,                    -- with the lane, where ops.ready has it as long as its first run is not claimed
  max_attempts    smallint    not null,
  created_at      timestamptz not null,
  run_at          timestamptz not null,      -- with the lane, where ops.scheduled has it
  organization_id uuid,
  trace_id        uuid        not null,
  created_by      text,
  payload         jsonb       not null,
  primary key (id)
) partition by range (id);
create index job_listing on ops.job (organization_id, id);

create sequence ops.job_seq;
create table ops.ready (
  lane_id integer not null,
  seq     bigint  not null,
  job_ids uuid[]  not null,
  primary key (lane_id, seq)
);
alter table ops.ready alter job_ids set storage plain;

-- ── queueing ─────────────────────────────────────────────────────────────────────────────────────────────────────

-- Each element: {type, payload, priority?, run_at?, unique_key?, max_attempts?}. The ids, in order; null where the key is
-- taken. The transaction has its xid before it draws a seq: see next_xid.
create function ops.queue_jobs(p_jobs jsonb) returns uuid[] language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_ids   uuid[];
  v_taken bigint[] := '{}';
  v_org   uuid := nullif(current_setting('ops.organization_id', true), '')::uuid;
  v_trace uuid := coalesce(nullif(current_setting('ops.trace_id', true), '')::uuid, gen_random_uuid());
  v_actor text := nullif(current_setting('ops.actor', true), '');
  v_done  boolean;
begin
  perform ops.refuse(case when jsonb_typeof(p_jobs) is distinct from 'array' then 'p_jobs must be a JSON array' end);
  perform pg_current_xact_id();
  v_ids := array(select uuidv7() from generate_series(1, jsonb_array_length(p_jobs)));
  if p_jobs @? '$[*].unique_key' then v_taken := ops.take_keys(p_jobs, v_ids); end if;
  loop
    with item as materialized (
      select v_ids[i.ordinal] as id, l.id as lane_id, i.payload, coalesce(i.max_attempts, 5)::smallint as max_attempts,
             greatest(i.run_at, now()) as run_at, coalesce(i.run_at > now(), false) as later, (i.ordinal - 1) / 50 as part,
             ops.refuse('job ' || i.ordinal || ': ' || ops.fault_of(i.type, i.payload, i.priority, i.run_at, i.max_attempts))
               filter_fault
        from (select r.* from rows from (jsonb_to_recordset(p_jobs) as (type text, payload jsonb, priority integer,
                run_at timestamptz, max_attempts integer)) with ordinality as r (type, payload, priority, run_at, max_attempts, ordinal)) i
        left join ops.lane l on l.type = i.type and l.priority = coalesce(i.priority, 0)
       where i.ordinal <> all (v_taken)
       order by i.ordinal
    ), complete as (
      select not exists (select from item where lane_id is null) as yes
    ), batch as materialized (
      select b.*, nextval('ops.job_seq') as seq from (
        select lane_id, part, array_agg(id order by id) as ids from item, complete where yes and not later
         group by part, lane_id order by part) b
    ), jobs as (
      insert into ops.job (id, lane_id, seq, max_attempts, created_at, run_at, organization_id, trace_id, created_by, payload)
      select i.id, i.lane_id, b.seq, i.max_attempts, now(), i.run_at, v_org, v_trace, v_actor, i.payload
        from complete, item i left join batch b on b.lane_id = i.lane_id and b.part = i.part and not i.later where yes
    ), fresh as (
      insert into ops.ready (lane_id, seq, job_ids) select lane_id, seq, ids from batch
    ), timed as (
      insert into ops.scheduled (lane_id, run_at, job_id, run, attempt)
      select lane_id, run_at, id, 1, 1 from item, complete where yes and later
    )
    select yes into v_done from complete;
    exit when v_done;
    perform ops.ensure_lanes(p_jobs);
  end loop;
  for i in 1..cardinality(v_taken) loop v_ids[v_taken[i]] := null; end loop;
  perform ops.wake();
  return v_ids;
end $$;

create function ops.queue_job(p_type text, p_payload jsonb, p_priority integer default 0, p_run_at timestamptz default now())
returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_id   uuid := uuidv7();
  v_seq  bigint;
  v_lane integer;
begin
  perform ops.refuse(ops.fault_of(p_type, p_payload, p_priority, p_run_at, null));
  perform pg_current_xact_id();
  select id into v_lane from ops.lane where type = p_type and priority = coalesce(p_priority, 0);
  if not found then
    return (ops.queue_jobs(jsonb_build_array(jsonb_build_object('type', p_type, 'payload', p_payload, 'priority', p_priority, 'run_at', p_run_at))))[1];
  end if;
  v_seq := nextval('ops.job_seq');
  insert into ops.job (id, lane_id, seq, max_attempts, created_at, run_at, organization_id, trace_id, created_by, payload)
  values (v_id, v_lane, v_seq, 5, now(), greatest(p_run_at, now()), nullif(current_setting('ops.organization_id', true), '')::uuid,
          coalesce(nullif(current_setting('ops.trace_id', true), '')::uuid, gen_random_uuid()),
          nullif(current_setting('ops.actor', true), ''), p_payload);
  if p_run_at > now() then
    insert into ops.scheduled (lane_id, run_at, job_id, run, attempt) values (v_lane, p_run_at, v_id, 1, 1);
  else
    insert into ops.ready (lane_id, seq, job_ids) values (v_lane, v_seq, array[v_id]);
  end if;
  perform ops.wake();
  return v_id;
end $$;

-- ── working ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- Up to p_left jobs of the lane from batches after p_from and not after p_to, and the last batch that is used up. What is
-- too much stays in its batch.
create function ops.take(p_lane integer, p_from bigint, p_to bigint, p_left integer, out ids uuid[], out used bigint) language plpgsql as $$
declare
  v_batches integer := 0;
  v_jobs    integer := 0;
  v_n       integer;
begin
  for v_n in
    select cardinality(d.job_ids) from ops.ready d where d.lane_id = p_lane and d.seq > p_from and d.seq <= p_to order by d.seq
  loop
    v_batches := v_batches + 1;
    v_jobs := v_jobs + v_n;
    exit when v_jobs >= p_left;
  end loop;
  if v_batches = 0 then return; end if;

  with locked as materialized (
    select d.ctid as place, d.seq, d.job_ids from ops.ready d where d.lane_id = p_lane and d.seq > p_from and d.seq <= p_to
     order by d.seq limit v_batches for update skip locked
  ), counted as materialized (
    select l.*, sum(cardinality(l.job_ids)) over (order by l.seq) as upto from locked l
  ), gone as (
    delete from ops.ready where ctid = any (array(select c.place from counted c where c.upto <= p_left))
  ), cut as (
    update ops.ready r set job_ids = c.job_ids[p_left - (c.upto - cardinality(c.job_ids)) + 1 :] from counted c
     where c.upto > p_left and c.upto - cardinality(c.job_ids) < p_left and r.lane_id = p_lane and r.seq = c.seq
  )
  select array(select i.id from counted c, unnest(c.job_ids) with ordinality i (id, ordinal) order by c.seq, i.ordinal limit p_left),
         (select max(c.seq) from counted c where c.upto <= p_left)
    into ids, used;
end $$;

create function ops.claim_lane(p_lane integer, p_limit integer, p_worker text, p_lease interval)
returns table (claim_id bigint, run smallint, job_id uuid, job_type text, payload jsonb, attempt smallint,
               max_attempts smallint, priority smallint, created_at timestamptz, run_at timestamptz, trace_id uuid, organization_id uuid)
language plpgsql as $$
declare
  v_now    timestamptz := clock_timestamp();
  v_place  ops.place := ops.place_of(p_lane, v_now);
  v_timed  uuid[];  v_runs smallint[];  v_attempts smallint[];
  v_late   uuid[];  v_fresh uuid[];
  v_left   integer := p_limit;
  v_took   interval := '0';
  v_hint   bigint := v_place.hint;  v_due timestamptz;  v_floor bigint := v_place.floor;
begin
  -- Due runs first: they have waited since their time. At most half, so that neither waits for the other.
  with gone as (
    delete from ops.scheduled s where ctid = any (array(
      select d.ctid from ops.scheduled d
       where d.lane_id = p_lane and d.run_at <= v_now
         and d.run_at >= case when v_place.sweep then '-infinity' else v_place.due_hint - interval '250 ms' end
       order by d.run_at, d.job_id limit greatest(p_limit / 2, 1) for update skip locked))
    returning s.job_id, s.run, s.attempt, s.run_at)
  select array_agg(g.job_id), array_agg(g.run), array_agg(g.attempt), max(g.run_at)
    into v_timed, v_runs, v_attempts, v_due from gone g;
  v_left := v_left - coalesce(cardinality(v_timed), 0);

  if v_place.sweep then
    select t.ids into v_late from ops.take(p_lane, v_place.floor, v_place.hint, v_left) t;
    v_left := v_left - coalesce(cardinality(v_late), 0);
    v_floor := greatest(v_floor, least(v_place.safe, coalesce(
      (select d.seq - 1 from ops.ready d where d.lane_id = p_lane and d.seq > v_place.floor and d.seq <= v_place.safe order by d.seq limit 1),
      v_place.safe)));
    v_took := clock_timestamp() - v_now;
  end if;

  if v_left > 0 then
    select t.ids, coalesce(t.used, v_hint) into v_fresh, v_hint from ops.take(p_lane, v_place.hint, 9223372036854775807, v_left) t;
  end if;

  v_fresh := v_late || v_fresh;
  if v_timed is null and coalesce(cardinality(v_fresh), 0) = 0 and v_took < interval '5 ms' then return; end if;
  claim_id := nextval('ops.claim_seq');
  insert into ops.claim (lane_id, id, worker_id, claimed_at, lease_until, job_ids, runs, attempts, hint, due_hint, next_xid, floor, swept_at, sweep_took)
  select p_lane, claim_id, p_worker, v_now, v_now + p_lease, coalesce(v_timed || v_fresh, v_fresh, '{}'), v_runs, v_attempts, v_hint,
         coalesce(greatest(v_due, v_place.due_hint), v_place.due_hint), pg_snapshot_xmax(pg_current_snapshot()), v_floor,
         case when v_place.sweep then v_now else c.swept_at end, case when v_place.sweep then v_took else c.sweep_took end
    from (select) one left join lateral (select * from ops.claim c where c.lane_id = p_lane order by c.id desc limit 1) c on true;

  -- Fresh ids are neighbours in the index: one descent for all of them, and the bounds leave out the other partitions. What
  -- comes again may be of any age.
  v_fresh := array(select i from unnest(v_fresh) i order by i);
  return query
    select claim_id, 1::smallint, j.id, l.type, j.payload, 1::smallint, j.max_attempts, l.priority, j.created_at, j.run_at, j.trace_id, j.organization_id
      from ops.job j, ops.lane l
     where j.id = any (v_fresh) and j.id between v_fresh[1] and v_fresh[cardinality(v_fresh)] and l.id = p_lane;
  if v_timed is not null then
    return query
      select claim_id, u.run, j.id, l.type, j.payload, u.attempt, j.max_attempts, l.priority, j.created_at, j.run_at, j.trace_id, j.organization_id
        from unnest(v_timed, v_runs, v_attempts) u (id, run, attempt)
        cross join lateral (select * from ops.job j where j.id = u.id offset 0) j
        join ops.lane l on l.id = p_lane;
  end if;
end $$;

-- The outcome ends the job whatever its worker does; if it still waits, its row is found by what is known of it.
create function ops.cancel_job(p_job uuid) returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_job  record;
  v_last record;
begin
  select * into v_job from ops.job j where j.id = p_job;
  if not found then return null; end if;
  select * into v_last from ops.outcome o where o.job_id = p_job order by run desc limit 1;
  if v_last.status not in ('retry', 'released', 'lost') then return false; end if;
  insert into ops.outcome (job_id, run, status) values (p_job, coalesce(v_last.run, 0) + 1, 'cancelled') on conflict do nothing;
  if not found then return false; end if;
  update ops.ready set job_ids = array_remove(job_ids, p_job)
   where lane_id = v_job.lane_id and seq = v_job.seq and job_ids @> array[p_job];
  delete from ops.scheduled where lane_id = v_job.lane_id and run_at = coalesce(v_last.retry_at, v_last.at, v_job.run_at) and job_id = p_job;
  delete from ops.unique_key where job_id = p_job;
  perform pg_notify('ops_job_cancelled', p_job::text);
  return true;
end $$;

create function ops.status_of(p_job uuid) returns text language sql stable as $$
  select case
    when d.job_id is not null then 'failed'
    when l.status in ('completed', 'cancelled') then l.status
    when r.seq is not null or s.job_id is not null then 'pending'
    else 'processing' end
  from ops.job j
  left join lateral (select * from ops.outcome o where o.job_id = j.id order by run desc limit 1) l on true
  left join ops.dead_letter d on d.job_id = j.id
  left join ops.ready r on r.lane_id = j.lane_id and r.seq = j.seq and r.job_ids @> array[j.id]
  left join ops.scheduled s on s.lane_id = j.lane_id and s.run_at = coalesce(l.retry_at, l.at, j.run_at) and s.job_id = j.id
  where j.id = p_job;
$$;
