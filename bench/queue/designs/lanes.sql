-- Append-only lanes. Idea: a job is a row that never changes, in the order (xid, seq) of its lane; a claim is one row of a
-- ledger that says between which two snapshots and up to which (xid, seq) the lane is read, so nothing is deleted, locked or
-- marked; the first outcome of a run wins; all of it lies in a ring of slots that are truncated.

-- Which slot takes new rows. `sealed`: takes none any more.
create table ops.slot (
  id     smallint primary key,
  state  text     not null default 'free' check (state in ('free', 'active', 'sealed'))
);
create unique index slot_active on ops.slot (state) where state = 'active';

create sequence ops.job_seq;
create table ops.job (
  slot            smallint    not null,
  lane_id         integer     not null,
  xid             xid8        not null,
  seq             bigint      not null,
  id              uuid        not null,
  run             smallint    not null,
  attempt         smallint    not null,
  max_attempts    smallint    not null,
  created_at      timestamptz not null,
  run_at          timestamptz not null,
  organization_id uuid,
  trace_id        uuid        not null,
  created_by      text,
  payload         jsonb       not null,
  primary key (lane_id, xid, seq, slot)
) partition by list (slot);
create index job_id on ops.job (id);
create index job_listing on ops.job (organization_id, id);

create table ops.outcome (
  slot     smallint    not null,             -- of the run
  seq      bigint      not null,
  claim_no bigint,
  status   text        not null,
  at       timestamptz not null default clock_timestamp(),
  error    text,
  result   jsonb,
  primary key (seq, slot)
) partition by list (slot);

-- Runs that must not be claimed any more: cancelled while they waited. Normally empty.
create table ops.tombstone (slot smallint not null, seq bigint not null, primary key (seq, slot)) partition by list (slot);

create table ops.scheduled (
  lane_id         integer     not null,
  run_at          timestamptz not null,
  id              uuid        not null,
  run             smallint    not null,
  attempt         smallint    not null,
  max_attempts    smallint    not null,
  created_at      timestamptz not null,
  organization_id uuid,
  trace_id        uuid        not null,
  created_by      text,
  payload         jsonb       not null,
  primary key (lane_id, run_at, id)
);
create index scheduled_id on ops.scheduled (id);

-- The ledger is the cursor: its last row of a lane says how far the lane is read.
create table ops.claim (
  slot        smallint    not null,
  lane_id     integer     not null,
  claim_no    bigint      not null,
  lo          pg_snapshot not null,
  hi          pg_snapshot not null,
  pos_xid     xid8        not null,
  pos_seq     bigint      not null,
  exhausted   boolean     not null,
  worker_id   text        not null,
  claimed_at  timestamptz not null,
  lease_until timestamptz,
  slots       smallint[]  not null,
  seqs        bigint[]    not null,
  promoted_at timestamptz not null,          -- scheduled jobs of the lane were last looked for
  reaped      boolean     not null default false,
  primary key (lane_id, claim_no, slot)
) partition by list (slot);
create index claim_worker on ops.claim (worker_id, claim_no);
create index claim_lease on ops.claim (lease_until) where lease_until is not null and not reaped;
alter table ops.claim alter seqs set storage external;

-- ── the ring ─────────────────────────────────────────────────────────────────────────────────────────────────────

create function ops.make_slots(p_count integer) returns void language plpgsql as $$
begin
  for i in 1..p_count loop
    execute format('create table ops.job_%1$s partition of ops.job for values in (%1$s)', i);
    execute format('create table ops.outcome_%1$s partition of ops.outcome for values in (%1$s)', i);
    execute format('create table ops.tombstone_%1$s partition of ops.tombstone for values in (%1$s)', i);
    execute format('create table ops.claim_%1$s partition of ops.claim for values in (%1$s)', i);
    insert into ops.slot (id, state) values (i, case when i = 1 then 'active' else 'free' end);
  end loop;
end $$;

-- New rows go to the next free slot. Writers that have read the old one still may write there.
create function ops.seal() returns smallint language plpgsql as $$
declare
  v_next smallint := (select id from ops.slot where state = 'free' order by id limit 1);
begin
  if v_next is null then return null; end if;
  update ops.slot set state = 'sealed' where state = 'active';
  update ops.slot set state = 'active' where id = v_next;
  return v_next;
end $$;

-- Empties a sealed slot of which every run has an outcome; carries each lane's cursor over first. False: not yet.
create function ops.empty_slot(p_slot smallint) returns boolean language plpgsql set lock_timeout = '50ms' as $$
declare
  v_active smallint := (select id from ops.slot where state = 'active');
  v_open   boolean;
begin
  execute format('lock table ops.job_%1$s, ops.outcome_%1$s, ops.claim_%1$s, ops.tombstone_%1$s in access exclusive mode', p_slot);
  execute format('select exists (select from ops.job_%1$s j where not exists (select from ops.outcome_%1$s o where o.slot = %1$s and o.seq = j.seq))', p_slot)
    into v_open;
  if v_open then return false; end if;
  execute format($q$
    insert into ops.claim
    select %2$s, c.lane_id, c.claim_no, c.lo, c.hi, c.pos_xid, c.pos_seq, c.exhausted, c.worker_id, c.claimed_at, null, '{}', '{}', c.promoted_at, true
      from ops.lane l cross join lateral (
        select * from ops.claim_%1$s c where c.lane_id = l.id order by c.claim_no desc limit 1) c
     where not exists (select from ops.claim n where n.slot <> %1$s and n.lane_id = l.id and n.claim_no >= c.claim_no)$q$, p_slot, v_active);
  execute format('truncate ops.job_%1$s, ops.outcome_%1$s, ops.claim_%1$s, ops.tombstone_%1$s', p_slot);
  update ops.slot set state = 'free' where id = p_slot;
  return true;
end $$;

-- ── queueing ─────────────────────────────────────────────────────────────────────────────────────────────────────

create function ops.queue_jobs(p_jobs jsonb) returns uuid[] language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_ids   uuid[];
  v_taken bigint[] := '{}';
  v_xid   xid8 := pg_current_xact_id();
  v_slot  smallint := (select id from ops.slot where state = 'active');
  v_org   uuid := nullif(current_setting('ops.organization_id', true), '')::uuid;
  v_trace uuid := coalesce(nullif(current_setting('ops.trace_id', true), '')::uuid, gen_random_uuid());
  v_actor text := nullif(current_setting('ops.actor', true), '');
  v_done  boolean;
begin
  perform ops.refuse(case when jsonb_typeof(p_jobs) is distinct from 'array' then 'p_jobs must be a JSON array' end);
  v_ids := array(select uuidv7() from generate_series(1, jsonb_array_length(p_jobs)));
  if p_jobs @? '$[*].unique_key' then v_taken := ops.take_keys(p_jobs, v_ids); end if;
  loop
    with item as materialized (
      select v_ids[i.ordinal] as id, l.id as lane_id, i.payload, coalesce(i.max_attempts, 5)::smallint as max_attempts,
             greatest(i.run_at, now()) as run_at, i.run_at > now() as later,
             ops.refuse('job ' || i.ordinal || ': ' || ops.fault_of(i.type, i.payload, i.priority, i.run_at, i.max_attempts))
               filter_fault
        from (select r.* from rows from (jsonb_to_recordset(p_jobs) as (type text, payload jsonb, priority integer,
                run_at timestamptz, max_attempts integer)) with ordinality as r (type, payload, priority, run_at, max_attempts, ordinal)) i
        left join ops.lane l on l.type = i.type and l.priority = coalesce(i.priority, 0)
       where i.ordinal <> all (v_taken)
       order by i.ordinal
    ), complete as (
      select not exists (select from item where lane_id is null) as yes
    ), jobs as (
      insert into ops.job (slot, lane_id, xid, seq, id, run, attempt, max_attempts, created_at, run_at, organization_id, trace_id, created_by, payload)
      select v_slot, lane_id, v_xid, nextval('ops.job_seq'), id, 1, 1, max_attempts, now(), run_at, v_org, v_trace, v_actor, payload
        from item, complete where yes and later is not true
    ), timed as (
      insert into ops.scheduled (lane_id, run_at, id, run, attempt, max_attempts, created_at, organization_id, trace_id, created_by, payload)
      select lane_id, run_at, id, 1, 1, max_attempts, now(), v_org, v_trace, v_actor, payload from item, complete where yes and later
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
  v_lane integer;
begin
  perform ops.refuse(ops.fault_of(p_type, p_payload, p_priority, p_run_at, null));
  select id into v_lane from ops.lane where type = p_type and priority = coalesce(p_priority, 0);
  if not found or p_run_at > now() then
    return (ops.queue_jobs(jsonb_build_array(jsonb_build_object('type', p_type, 'payload', p_payload, 'priority', p_priority, 'run_at', p_run_at))))[1];
  end if;
  insert into ops.job (slot, lane_id, xid, seq, id, run, attempt, max_attempts, created_at, run_at, organization_id, trace_id, created_by, payload)
  values ((select id from ops.slot where state = 'active'), v_lane, pg_current_xact_id(), nextval('ops.job_seq'), v_id, 1, 1, 5, now(), now(),
          nullif(current_setting('ops.organization_id', true), '')::uuid,
          coalesce(nullif(current_setting('ops.trace_id', true), '')::uuid, gen_random_uuid()),
          nullif(current_setting('ops.actor', true), ''), p_payload);
  perform ops.wake();
  return v_id;
end $$;

-- ── working ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- Jobs whose time has come, into the lane: they are in the window of the claim after this one.
create function ops.promote(p_lane integer, p_now timestamptz) returns integer language plpgsql as $$
declare
  v_count integer;
begin
  with due as (
    delete from ops.scheduled s where ctid = any (array(
      select d.ctid from ops.scheduled d where d.lane_id = p_lane and d.run_at <= p_now
       order by d.run_at, d.id limit 1000 for update skip locked))
    returning s.*)
  insert into ops.job (slot, lane_id, xid, seq, id, run, attempt, max_attempts, created_at, run_at, organization_id, trace_id, created_by, payload)
  select (select id from ops.slot where state = 'active'), lane_id, pg_current_xact_id(), nextval('ops.job_seq'), id, run, attempt, max_attempts,
         created_at, run_at, organization_id, trace_id, created_by, payload from due;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

create function ops.claim_lane(p_lane integer, p_limit integer, p_worker text, p_lease interval)
returns table (claim_id bigint, slot smallint, seq bigint, run smallint, job_id uuid, job_type text, payload jsonb, attempt smallint,
               max_attempts smallint, priority smallint, created_at timestamptz, run_at timestamptz, trace_id uuid, organization_id uuid)
language plpgsql as $$
declare
  c       record;
  v_now   timestamptz := clock_timestamp();
  v_slot  smallint := (select id from ops.slot where state = 'active');
  v_lo    pg_snapshot;  v_hi pg_snapshot;  v_px xid8;  v_ps bigint;
  v_list  xid8[];  v_sx xid8;  v_ss bigint;
  v_rows  ops.job[];  v_got integer;
  v_promoted timestamptz;
  v_tombs boolean := exists (select from ops.tombstone);
begin
  -- One claimer a lane at a time, for a millisecond; the statements after this one see what the one before has written.
  perform pg_advisory_xact_lock(4242, p_lane);
  select jc.claim_no, jc.lo, jc.hi, jc.pos_xid, jc.pos_seq, jc.exhausted, jc.promoted_at into c
    from ops.claim jc where jc.lane_id = p_lane order by jc.claim_no desc limit 1;
  if not found then
    claim_id := 0; v_lo := '1:1:'; v_hi := pg_current_snapshot(); v_px := '0'; v_ps := 0; v_promoted := '-infinity';
  elsif c.exhausted then
    claim_id := c.claim_no; v_lo := c.hi; v_hi := pg_current_snapshot(); v_px := '0'; v_ps := 0; v_promoted := c.promoted_at;
  else
    claim_id := c.claim_no; v_lo := c.lo; v_hi := c.hi; v_px := c.pos_xid; v_ps := c.pos_seq; v_promoted := c.promoted_at;
  end if;
  -- In a transaction of its own in the real thing: here a claim promotes for the next one.
  if v_promoted < v_now - interval '100 ms' then
    perform ops.promote(p_lane, v_now);
    v_promoted := v_now;
  end if;

  for i in 1..2 loop
    v_list := array(select x from pg_snapshot_xip(v_lo) x where pg_visible_in_snapshot(x, v_hi));
    if v_px >= pg_snapshot_xmax(v_lo) then v_sx := v_px; v_ss := v_ps; else v_sx := pg_snapshot_xmax(v_lo); v_ss := -1; end if;
    with late as (
      select l.r, l.xid, l.seq from unnest(v_list) x (xid) cross join lateral (
        select r, r.xid, r.seq from ops.job r
         where r.lane_id = p_lane and r.xid = x.xid and r.seq > (case when x.xid = v_px then v_ps else -1 end)
         order by r.seq limit p_limit) l
       where x.xid >= v_px order by l.xid, l.seq limit p_limit
    ), rest as (
      select r, r.xid, r.seq from ops.job r
       where r.lane_id = p_lane and (r.xid, r.seq) > (v_sx, v_ss) and r.xid < pg_snapshot_xmax(v_hi) and pg_visible_in_snapshot(r.xid, v_hi)
       order by r.xid, r.seq limit p_limit
    ), both_ as (select * from late union all select * from rest order by 2, 3 limit p_limit)
    select array_agg(u.r), count(*) into v_rows, v_got from both_ u;
    exit when v_got > 0;
    v_lo := v_hi; v_hi := pg_current_snapshot(); v_px := '0'; v_ps := 0;
  end loop;
  if v_got = 0 then return; end if;

  claim_id := claim_id + 1;
  insert into ops.claim (slot, lane_id, claim_no, lo, hi, pos_xid, pos_seq, exhausted, worker_id, claimed_at, lease_until, slots, seqs, promoted_at)
  values (v_slot, p_lane, claim_id, v_lo, v_hi, (v_rows[v_got]).xid, (v_rows[v_got]).seq, v_got < p_limit, p_worker, v_now, v_now + p_lease,
          array(select j.slot from unnest(v_rows) j), array(select j.seq from unnest(v_rows) j), v_promoted);
  return query
    select claim_id, j.slot, j.seq, j.run, j.id, l.type, j.payload, j.attempt, j.max_attempts, l.priority, j.created_at, j.run_at, j.trace_id, j.organization_id
      from unnest(v_rows) j, ops.lane l
     where l.id = p_lane and (not v_tombs or not exists (select from ops.tombstone t where t.slot = j.slot and t.seq = j.seq));
end $$;

create function ops.claim_jobs(p_types text[], p_limit integer, p_lock_timeout_minutes integer, p_worker text)
returns table (claim_id bigint, slot smallint, seq bigint, run smallint, job_id uuid, job_type text, payload jsonb, attempt smallint,
               max_attempts smallint, priority smallint, created_at timestamptz, run_at timestamptz, trace_id uuid, organization_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  v_left  integer := p_limit;
  v_lane  integer;
  v_got   integer;
  v_beats boolean := exists (select from ops.worker w where w.id = p_worker);
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

create function ops.complete_jobs(p_claims bigint[], p_slots smallint[], p_seqs bigint[], p_jobs uuid[], p_statuses text[],
                                  p_errors text[] default null, p_backoffs double precision[] default null, p_results jsonb[] default null)
returns setof uuid language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  v_at   timestamptz := clock_timestamp();
  v_seqs bigint[];
begin
  begin
    insert into ops.outcome (slot, seq, claim_no, status, at, error, result)
    select u.slot, u.seq, u.claim_no, u.status, v_at, u.error, u.result
      from unnest(p_slots, p_seqs, p_claims, p_statuses, p_errors, p_results) u (slot, seq, claim_no, status, error, result)
     order by u.slot, u.seq;
    v_seqs := p_seqs;
  exception when unique_violation then
    with stored as (
      insert into ops.outcome (slot, seq, claim_no, status, at, error, result)
      select u.slot, u.seq, u.claim_no, u.status, v_at, u.error, u.result
        from unnest(p_slots, p_seqs, p_claims, p_statuses, p_errors, p_results) u (slot, seq, claim_no, status, error, result)
       order by u.slot, u.seq
      on conflict do nothing
      returning seq)
    select coalesce(array_agg(s.seq), '{}') into v_seqs from stored s;
  end;
  if exists (select from ops.unique_key) then
    delete from ops.unique_key k using unnest(p_jobs, p_seqs, p_statuses) u (job_id, seq, status)
     where k.job_id = u.job_id and u.seq = any (v_seqs) and u.status not in ('retry', 'released');
  end if;
  if array_position(p_statuses, 'retry') is not null or array_position(p_statuses, 'released') is not null
     or array_position(p_statuses, 'failed') is not null then
    perform ops.run_again(p_slots, p_seqs, p_jobs, p_backoffs, v_seqs);
  end if;
  if cardinality(v_seqs) = cardinality(p_seqs) then return query select unnest(p_jobs);
  else return query select u.job_id from unnest(p_jobs, p_seqs) u (job_id, seq) where u.seq = any (v_seqs); end if;
end $$;

-- The next runs of what was just reported: a copy with the next number; and the dead letters among it.
create function ops.run_again(p_slots smallint[], p_seqs bigint[], p_jobs uuid[], p_backoffs double precision[], p_stored bigint[]) returns void
language plpgsql as $$
begin
  with ended as materialized (
    select j.*, o.status, o.error, o.at + make_interval(secs => coalesce(u.backoff, 0)) as again_at,
           j.attempt >= j.max_attempts and o.status <> 'released' or o.status = 'failed' as dead
      from unnest(p_slots, p_seqs, p_jobs, p_backoffs) u (slot, seq, job_id, backoff)
      join ops.outcome o on o.slot = u.slot and o.seq = u.seq and o.status in ('retry', 'released', 'failed', 'lost')
      cross join lateral (select * from ops.job j where j.slot = u.slot and j.id = u.job_id and j.seq = u.seq offset 0) j
     where u.seq = any (p_stored)
  ), dead as (
    insert into ops.dead_letter (job_id, lane_id, error) select id, lane_id, error from ended where dead
  )
  insert into ops.scheduled (lane_id, run_at, id, run, attempt, max_attempts, created_at, organization_id, trace_id, created_by, payload)
  select lane_id, again_at, id, run + 1, attempt + (status <> 'released')::integer, max_attempts, created_at, organization_id, trace_id, created_by, payload
    from ended where not dead;
end $$;

create function ops.return_lost_jobs(p_now timestamptz default clock_timestamp()) returns integer language plpgsql as $$
declare
  v_slots smallint[];
  v_seqs  bigint[];
  v_ids   uuid[];
begin
  with dead as (
    select c.slot, c.lane_id, c.claim_no from ops.claim c left join ops.worker w on w.id = c.worker_id
     where not c.reaped and (w.last_seen_at + w.dead_after < p_now and c.claim_no >= w.open_from or c.lease_until < p_now)
     order by c.lane_id, c.claim_no for update of c skip locked
  ), reaped as (
    update ops.claim c set reaped = true from dead d
     where c.slot = d.slot and c.lane_id = d.lane_id and c.claim_no = d.claim_no and not c.reaped
    returning c.claim_no, c.lane_id, c.slots, c.seqs
  ), lost as (
    insert into ops.outcome (slot, seq, claim_no, status, error)
    select u.slot, u.seq, r.claim_no, 'lost', 'The worker died or its lease expired before it reported an outcome.'
      from reaped r, unnest(r.slots, r.seqs) u (slot, seq)
     order by u.slot, u.seq
    on conflict do nothing
    returning slot, seq
  )
  select array_agg(j.slot), array_agg(j.seq), array_agg(j.id) into v_slots, v_seqs, v_ids
    from lost l, (select distinct lane_id from reaped) r, ops.job j where j.lane_id = r.lane_id and j.slot = l.slot and j.seq = l.seq;
  if v_seqs is not null then perform ops.run_again(v_slots, v_seqs, v_ids, null, v_seqs); end if;
  return coalesce(cardinality(v_seqs), 0);
end $$;

create function ops.cancel_job(p_job uuid) returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_run record;
begin
  delete from ops.scheduled where id = p_job;
  if not found then
    select j.slot, j.seq into v_run from ops.job j where j.id = p_job order by j.run desc limit 1;
    if not found then return null; end if;
    insert into ops.outcome (slot, seq, status) values (v_run.slot, v_run.seq, 'cancelled') on conflict do nothing;
    if not found then return false; end if;
    insert into ops.tombstone values (v_run.slot, v_run.seq);
  end if;
  delete from ops.unique_key where job_id = p_job;
  perform pg_notify('ops_job_cancelled', p_job::text);
  return true;
end $$;
