-- Owner: platform
-- Compatibility: first release
--
-- Working: claim, report, beat. The settings of these functions fix their access paths, because a queue outruns its
-- statistics: every look-up is an index probe, whatever the planner believes.

-- ── who is alive ─────────────────────────────────────────────────────────────────────────────────────────────────

-- A worker that ever beat lives until dead_after has passed since its last beat; for any other the lock time-out of its
-- claim decides.
create function ops.lease_is_live(p_lease ops.lease, p_at timestamptz) returns boolean
language sql stable
return p_at < coalesce((select w.last_seen_at + w.dead_after from ops.worker w where w.id = p_lease.worker_id), p_lease.expires_at);

-- Claims of these types whose leases were dead at p_at: of a worker that fell silent, or whose lock time-out, its own or a
-- shorter one given here, was over. Two probes unless somebody died: `offset 0` keeps the planner from looking at leases first, or at
-- all of them, when it believes that there are few.
create function ops.dead_claims(p_at timestamptz, p_types text[], p_minutes integer) returns bigint[]
language plpgsql stable
as $$
begin
  return array(
    select l.claim_id from ops.worker w
      cross join lateral (select * from ops.lease l where l.worker_id = w.id offset 0) l
     where w.last_seen_at + w.dead_after <= p_at
       and (p_types is null or (select n.type from ops.lane n where n.id = l.lane_id) = any (p_types))
    union all
    select l.claim_id from (select * from ops.lease l where l.expires_at <= p_at offset 0) l
     where (p_types is null or (select n.type from ops.lane n where n.id = l.lane_id) = any (p_types))
       and not exists (select from ops.worker w where w.id = l.worker_id)
    union all
    select l.claim_id from ops.lease l
     where p_minutes is not null and l.expires_at > p_at and l.claimed_at + make_interval(mins => p_minutes) <= p_at
       and not exists (select from ops.worker w where w.id = l.worker_id));
end $$;

-- The runs that these claims grant. Their ids are sorted: the bounds leave out other partitions.
create function ops.runs_of(p_claims bigint[]) returns table (claim_id bigint, job_id uuid, run smallint, attempt smallint)
language sql stable
as $$
  select c.id, u.job_id, coalesce(u.run, 1::smallint), coalesce(u.attempt, 1::smallint)
    from ops.claim c, unnest(c.job_ids, c.runs, c.attempts) u (job_id, run, attempt)
   where c.id = any (p_claims) and c.id between p_claims[1] and p_claims[cardinality(p_claims)];
$$;

-- The next runs of jobs whose runs just ended otherwise than by completion, and the dead letters among them. The reporter
-- has locked their leases. A job that was run 32,000 times is a dead letter, too: nobody wants it.
create function ops.run_again(p_jobs uuid[], p_runs smallint[], p_delays double precision[]) returns void
language plpgsql
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  with ended as materialized (
    select o.job_id, o.run, o.attempt, o.status, j.lane_id, j.organization_id, j.unique_key is not null as keyed,
           v_now + make_interval(secs => coalesce(u.delay, 0)) as run_at, o.status = 'failed' as dead
      from unnest(p_jobs, p_runs, p_delays) u (job_id, run, delay)
      cross join lateral (select * from ops.outcome o where o.job_id = u.job_id and o.run = u.run offset 0) o
      cross join lateral (select * from ops.job j where j.id = u.job_id offset 0) j
  ), dead as (
    insert into ops.dead_letter (job_id, lane_id, organization_id, at)
    select e.job_id, e.lane_id, e.organization_id, v_now from ended e where e.dead
  ), again as (
    insert into ops.scheduled (job_id, run_at, lane_id, run, attempt, keyed, organization_id)
    select e.job_id, e.run_at, e.lane_id, e.run + 1, e.attempt + (e.status <> 'released')::integer, e.keyed, e.organization_id
      from ended e where not e.dead
  )
  insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
  select e.lane_id, e.organization_id, 0, count(*) filter (where not e.dead), count(*) filter (where e.dead)
    from ended e group by e.lane_id, e.organization_id;
end $$;

-- Ends the runs of these claims that have no outcome yet; passes by a claim that somebody reports on at this moment.
create function ops.return_jobs(p_claims bigint[])
returns table (job_id uuid, job_type text, dead boolean, attempts integer, max_attempts integer)
language plpgsql
as $$
declare
  v_claims bigint[];
  v_jobs   uuid[];
  v_runs   smallint[];
  v_statuses ops.outcome_status[];
begin
  v_claims := array(select l.claim_id from ops.lease l where l.claim_id = any (p_claims) order by l.claim_id for update skip locked);
  if v_claims = '{}' then
    return;
  end if;

  with lost as (
    insert into ops.outcome (job_id, run, attempt, status, claim_id, at, error)
    select j.id, r.run, r.attempt, case when r.attempt < j.max_attempts and r.run < 32000 then 'lost' else 'failed' end::ops.outcome_status, r.claim_id,
           clock_timestamp(), 'The worker died or its lease expired before it reported an outcome.'
      from ops.runs_of(v_claims) r
      cross join lateral (select * from ops.job j where j.id = r.job_id offset 0) j
     where not exists (select from ops.outcome o where o.job_id = r.job_id and o.run = r.run)
     order by j.id
    returning *
  )
  select array_agg(l.job_id), array_agg(l.run), array_agg(l.status) into v_jobs, v_runs, v_statuses from lost l;
  delete from ops.lease l where l.claim_id = any (v_claims);
  perform ops.give_up_keys(v_jobs, v_statuses);
  perform ops.run_again(v_jobs, v_runs, null);
  return query
    select o.job_id, n.type, o.status = 'failed', o.attempt::integer, j.max_attempts::integer
      from unnest(v_jobs, v_runs) u (job_id, run)
      cross join lateral (select * from ops.outcome o where o.job_id = u.job_id and o.run = u.run offset 0) o
      cross join lateral (select * from ops.job j where j.id = u.job_id offset 0) j
      join ops.lane n on n.id = j.lane_id;
end $$;


-- ── claiming ─────────────────────────────────────────────────────────────────────────────────────────────────────

-- Where a claim of the lane starts to look: the newest of the last claims whose hint no running transaction can get behind,
-- because all that are older than its next_xid have ended. If
-- one has been running for longer than they go back, the oldest of them; what it commits then is found by a sweep, at the
-- latest a quarter of a second after it could have been, or a twentieth of the time is spent on sweeps. A claim that left
-- something behind went back: nobody starts after that. `newest` is how far the last claim was, for one that gets no further.
-- The last claims are looked for by `between` and in the order of both columns, which no index but claim_lane can serve: of a
-- lane that is rarely claimed the primary key would show those of all others first.
create type ops.place as (
  hint bigint, next_xid xid8, due_hint timestamptz, due_id uuid, newest bigint, newest_xid xid8, newest_due timestamptz,
  newest_due_id uuid, floor bigint, safe bigint, due_floor timestamptz, swept_at timestamptz, sweep_took interval, took_due boolean
);
create function ops.place_of(p_lane integer) returns ops.place
language plpgsql stable
as $$
declare
  v_claim record;
  v_place ops.place;
  v_xmin  xid8 := pg_snapshot_xmin(pg_current_snapshot());
begin
  for v_claim in
    select c.hint, c.due_hint, c.due_id, c.next_xid, c.floor, c.due_floor, c.swept_at, c.sweep_took, c.runs is not null as took_due
      from ops.claim c where c.lane_id between p_lane and p_lane order by c.lane_id desc, c.id desc limit 16
  loop
    if v_place.floor is null then
      v_place.newest := v_claim.hint;
      v_place.newest_xid := v_claim.next_xid;
      v_place.newest_due := v_claim.due_hint;
      v_place.newest_due_id := v_claim.due_id;
      v_place.floor := v_claim.floor;
      v_place.due_floor := v_claim.due_floor;
      v_place.swept_at := v_claim.swept_at;
      v_place.sweep_took := v_claim.sweep_took;
      v_place.took_due := v_claim.took_due;
    end if;
    v_place.hint := least(v_place.hint, v_claim.hint);
    if v_place.due_hint is null or v_claim.due_hint <= v_place.due_hint then
      v_place.due_id := case when v_claim.due_hint = v_place.due_hint then least(v_place.due_id, v_claim.due_id) else v_claim.due_id end;
      v_place.due_hint := v_claim.due_hint;
    end if;
    v_place.next_xid := v_claim.next_xid;
    if v_claim.next_xid <= v_xmin then
      v_place.safe := v_place.hint;
      exit;
    end if;
  end loop;
  v_place.safe := greatest(v_place.safe, v_place.floor);
  return v_place;
end $$;

-- Where sweeps of what is scheduled in the lane start. What is scheduled is scheduled for later: whoever may still commit a job for
-- a time that was over when a claim was made is older than that claim, and runs. Not in a lane in which jobs are set aside, which
-- come with the times that they had. For speed only: one sweep in 256 starts at the beginning, as a clock may have gone back.
create function ops.due_floor_of(p_lane integer, p_floor timestamptz) returns timestamptz
language sql stable
as $$
  select greatest(p_floor, coalesce(
           (select s.run_at from ops.scheduled s
             where s.lane_id = p_lane and s.run_at >= p_floor and s.run_at <= u.upto order by s.run_at, s.job_id limit 1),
           u.upto))
    from (
      select (select least(c.claimed_at, clock_timestamp()) - interval '10 seconds'
                from (select c.id, c.claimed_at, c.due_xid from ops.claim c
                       where c.lane_id between p_lane and p_lane order by c.lane_id desc, c.id desc limit 16) c
               where c.due_xid <= pg_snapshot_xmin(pg_current_snapshot()) and l.organization_id is null
               order by c.id desc limit 1) as upto
        from ops.lane l where l.id = p_lane) u;
$$;

-- Up to p_most jobs of the lane that are ready in batches after p_after and not after p_upto, the last batch that is used up, and
-- the one that is cut. No more is locked than is taken: whoever comes next passes by what is locked.
create function ops.take_ready(
  p_lane integer, p_after bigint, p_upto bigint, p_most integer, p_aside uuid[],
  out job_ids uuid[], out used bigint, out cut bigint, out keyed boolean
) language plpgsql
as $$
declare
  v_sure    constant integer := p_most / 50;  -- so many batches fit, whatever is in them
  v_locked  integer := 0;
  v_batches integer := 0;
  v_jobs    integer;
  v_n       integer;
  v_whole   bigint[] := '{}';
  v_counts  integer[] := '{}';
  v_orgs    uuid[] := '{}';
  v_batch   record;
begin
  job_ids := '{}';
  keyed := false;
  if v_sure > 0 then
    for v_batch in
      with locked as materialized (
        select r.seq, r.keyed, r.organization_id, r.job_ids from ops.ready r
         where r.lane_id = p_lane and r.seq > p_after and r.seq <= p_upto
           and (p_aside is null or r.organization_id is null or r.organization_id <> all (p_aside))
         order by r.seq limit v_sure for update skip locked
      )
      delete from ops.ready r using locked l where r.lane_id = p_lane and r.seq = l.seq returning l.*
    loop
      v_locked := v_locked + 1;
      used := greatest(used, v_batch.seq);
      job_ids := job_ids || v_batch.job_ids;
      keyed := keyed or v_batch.keyed;
      v_counts := v_counts || cardinality(v_batch.job_ids);
      v_orgs := v_orgs || v_batch.organization_id;
    end loop;
  end if;

  if v_locked = v_sure and cardinality(job_ids) < p_most then
    v_jobs := cardinality(job_ids);
    for v_n in
      select cardinality(r.job_ids) from ops.ready r
       where r.lane_id = p_lane and r.seq > coalesce(used, p_after) and r.seq <= p_upto
         and (p_aside is null or r.organization_id is null or r.organization_id <> all (p_aside))
       order by r.seq
    loop
      v_batches := v_batches + 1;
      v_jobs := v_jobs + v_n;
      exit when v_jobs >= p_most;
    end loop;
  end if;
  if v_batches > 0 then
    for v_batch in
      select r.seq, r.keyed, r.organization_id, r.job_ids from ops.ready r
       where r.lane_id = p_lane and r.seq > coalesce(used, p_after) and r.seq <= p_upto
         and (p_aside is null or r.organization_id is null or r.organization_id <> all (p_aside))
       order by r.seq limit v_batches for update skip locked
    loop
      v_n := least(cardinality(v_batch.job_ids), p_most - cardinality(job_ids));
      if v_n = cardinality(v_batch.job_ids) then
        v_whole := v_whole || v_batch.seq;
        used := v_batch.seq;
      elsif v_n > 0 then
        cut := v_batch.seq;
        update ops.ready r set job_ids = v_batch.job_ids[v_n + 1 :] where r.lane_id = p_lane and r.seq = cut;
      end if;
      job_ids := job_ids || v_batch.job_ids[: v_n];
      keyed := keyed or v_batch.keyed;
      v_counts := v_counts || v_n;
      v_orgs := v_orgs || v_batch.organization_id;
    end loop;
    delete from ops.ready r
     where r.lane_id = p_lane and r.seq = any (v_whole) and r.seq between v_whole[1] and v_whole[cardinality(v_whole)];
  end if;

  if cardinality(v_orgs) = 1 then
    insert into ops.tally (lane_id, organization_id, ready, scheduled, dead) values (p_lane, v_orgs[1], -v_counts[1], 0, 0);
  elsif v_orgs <> '{}' then
    insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
    select p_lane, u.organization_id, -sum(u.n), 0, 0 from unnest(v_orgs, v_counts) u (organization_id, n) group by u.organization_id;
  end if;
end $$;

-- Up to p_most runs of the lane that are due, and for which times they were scheduled; after a job that is due at p_from, if given.
create function ops.take_due(
  p_lane integer, p_from timestamptz, p_after uuid, p_upto timestamptz, p_most integer, p_aside uuid[],
  out job_ids uuid[], out runs smallint[], out attempts smallint[], out run_ats timestamptz[], out keyed boolean
) language plpgsql
as $$
declare
  v_places tid[] := array(
    select s.ctid from ops.scheduled s
     where s.lane_id = p_lane and s.run_at <= p_upto
       and (s.run_at, s.job_id) > (p_from, coalesce(p_after, '00000000-0000-0000-0000-000000000000'))
       and (p_aside is null or s.organization_id is null or s.organization_id <> all (p_aside))
     order by s.run_at, s.job_id limit p_most for update skip locked);
begin
  if v_places = '{}' then
    return;
  end if;
  with gone as (
    delete from ops.scheduled where ctid = any (v_places) returning *
  ), counted as (
    insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
    select p_lane, g.organization_id, 0, -count(*), 0 from gone g group by g.organization_id
  )
  select array_agg(g.job_id), array_agg(g.run), array_agg(g.attempt), array_agg(g.run_at), bool_or(g.keyed)
    into job_ids, runs, attempts, run_ats, keyed
    from (select * from gone order by run_at, job_id) g;
end $$;

-- Moves what waits for organisations whose queue is paused out of the way of everybody else, into lanes of their own; some
-- thousands of jobs at a time, of what stands first where a claim starts to look: it may be that none of them have a job there.
create function ops.set_aside(p_lane integer, p_after bigint, p_from timestamptz, p_now timestamptz, p_aside uuid[]) returns void
language plpgsql
as $$
declare
  v_lane ops.lane;
  v_upto bigint := (
    select max(w.seq) from (
      select r.seq, sum(cardinality(r.job_ids)) over (order by r.seq) as jobs from (
        select r.seq, r.job_ids from ops.ready r where r.lane_id = p_lane and r.seq > p_after order by r.seq limit 500) r) w
     where w.jobs <= 5000);
  v_last record;
begin
  select w.run_at, w.job_id into v_last from (
    select s.run_at, s.job_id from ops.scheduled s
     where s.lane_id = p_lane and s.run_at >= p_from and s.run_at <= p_now order by s.run_at, s.job_id limit 500) w
   order by w.run_at desc, w.job_id desc limit 1;
  select * into v_lane from ops.lane l where l.id = p_lane;
  perform ops.make_lanes(array_agg(v_lane.type), array_agg(v_lane.priority::integer), array_agg(o.id)) from unnest(p_aside) o (id);
  with ready as (
    delete from ops.ready where ctid = any (array(
      select r.ctid from ops.ready r
       where r.lane_id = p_lane and r.seq > p_after and r.seq <= v_upto and r.organization_id = any (p_aside)
       order by r.seq for update skip locked))
    returning *
  ), due as (
    delete from ops.scheduled where ctid = any (array(
      select s.ctid from ops.scheduled s
       where s.lane_id = p_lane and s.run_at >= p_from and (s.run_at, s.job_id) <= (v_last.run_at, v_last.job_id)
         and s.organization_id = any (p_aside)
       order by s.run_at, s.job_id for update skip locked))
    returning *
  ), moved as materialized (
    select m.*, ops.lane_of(v_lane.type, v_lane.priority, m.organization_id) as lane_id from (
      select j.id as job_id, p_now as run_at, 1::smallint as run, 1::smallint as attempt, r.keyed, r.organization_id, true as was_ready
        from ready r, unnest(r.job_ids) j (id)
      union all
      select d.job_id, d.run_at, d.run, d.attempt, d.keyed, d.organization_id, false from due d) m
  ), counted as (
    insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
    select p_lane, m.organization_id, -count(*) filter (where m.was_ready), -count(*) filter (where not m.was_ready), 0
      from moved m group by m.organization_id
    union all
    select m.lane_id, m.organization_id, 0, count(*), 0 from moved m group by m.lane_id, m.organization_id
  )
  insert into ops.scheduled (job_id, run_at, lane_id, run, attempt, keyed, organization_id)
  select m.job_id, m.run_at, m.lane_id, m.run, m.attempt, m.keyed, m.organization_id from moved m;
end $$;

-- Inserts the lease of a claim. If its hint moved, also says a transaction id that is younger than that of everybody who drew a
-- seq up to the hint: they had theirs before they drew, and the rows were there before this. The transaction's own id will not do
-- (it may be older than what it took last), and neither does a snapshot's xmax (transactions that run may be younger): it is that
-- of a subtransaction, which is drawn when the row is written.
create function ops.grant_lease(p_lease ops.lease, p_hint_moved boolean) returns xid8
language plpgsql
as $$
declare
  v_own   bigint;
  v_young xid;
begin
  if not p_hint_moved then
    insert into ops.lease values (p_lease.*);
    return null;
  end if;
  begin
    insert into ops.lease values (p_lease.*) returning xmin into v_young;
  exception when division_by_zero then raise;  -- a block with a handler is a subtransaction
  end;
  -- Its upper half, which a row does not have.
  v_own := pg_current_xact_id()::text::bigint;
  return (v_own + ((v_young::text::bigint - v_own) & 4294967295))::text::xid8;
end $$;

-- Claims up to p_limit jobs of a lane: those that were scheduled, with their runs, and those that were never claimed.
create function ops.claim_lane(
  p_lane integer, p_limit integer, p_worker text, p_lock interval, p_aside uuid[],
  out claim_id bigint, out due uuid[], out attempts smallint[], out run_ats timestamptz[], out fresh uuid[]
) language plpgsql
as $$
declare
  v_now   timestamptz := clock_timestamp();
  v_place ops.place := ops.place_of(p_lane);
  v_hint  bigint := coalesce(v_place.hint, 0);
  v_floor bigint := coalesce(v_place.floor, 0);
  -- A clock that went back is no reason not to look, neither here nor for a sweep.
  v_due_hint timestamptz := least(coalesce(v_place.due_hint, '-infinity'), v_now);
  v_due_id uuid := v_place.due_id;
  v_due_floor timestamptz := least(coalesce(v_place.due_floor, '-infinity'), v_now);
  v_sweep_from timestamptz := case when random() < 1.0 / 256 then '-infinity' else v_due_floor end;
  v_rested interval := case when v_place.swept_at <= v_now then v_now - v_place.swept_at end;
  v_sweep boolean := coalesce(v_rested > greatest(interval '250 ms', 20 * v_place.sweep_took), true);
  -- Of claims of one job every other one.
  v_half  integer := case when p_limit > 1 then p_limit / 2 when v_place.took_due then 0 else 1 end;
  v_left  integer := p_limit;
  v_keyed boolean := false;
  v_next  bigint;
  v_behind bigint;           -- what is ready after this is behind the hint, and there was no room for it
  v_due_is_cut boolean;      -- as many were due as there was room for
  v_goes_on boolean;
  v_from  timestamptz;
  v_due   record;
  v_more  record;
  v_ready record;
  v_xid   xid8;
begin
  fresh := '{}';
  if p_aside is not null then
    perform ops.set_aside(p_lane, case when v_sweep then v_floor else v_hint end,
                          case when v_sweep then v_sweep_from else v_due_hint - interval '250 ms' end, v_now, p_aside);
  end if;

  loop
    -- What is due first: it has waited since its time. At most half, so that neither waits for the other. Jobs of the last quarter of
    -- a second may have been committed in another order; behind that a claim goes on where the last one ended, as many jobs may be
    -- scheduled for the same time.
    v_goes_on := not v_sweep and v_due_hint < v_now - interval '250 ms';
    v_from := case when v_sweep then v_sweep_from when v_goes_on then v_due_hint else v_due_hint - interval '250 ms' end;
    v_due := ops.take_due(p_lane, v_from, case when v_goes_on then v_due_id end, v_now, v_half, p_aside);
    v_due_is_cut := coalesce(cardinality(v_due.job_ids), 0) = v_half;
    v_left := p_limit - coalesce(cardinality(v_due.job_ids), 0);

    if v_sweep and v_left > 0 then
      v_ready := ops.take_ready(p_lane, v_floor, v_hint, v_left, p_aside);
      fresh := v_ready.job_ids;
      v_keyed := v_ready.keyed;
      v_left := v_left - cardinality(fresh);
      if v_left = 0 then
        v_behind := (select r.seq - 1 from ops.ready r
                      where r.lane_id = p_lane and r.seq > v_floor and r.seq <= v_hint order by r.seq limit 1);
      end if;
      if v_place.safe > v_floor then
        v_floor := coalesce((select r.seq - 1 from ops.ready r
                              where r.lane_id = p_lane and r.seq > v_floor and r.seq <= v_place.safe order by r.seq limit 1),
                            v_place.safe);
      end if;
      v_due_floor := ops.due_floor_of(p_lane, v_due_floor);
      v_place.sweep_took := clock_timestamp() - v_now;
      v_place.swept_at := v_now;
    end if;

    if v_left > 0 then
      v_ready := ops.take_ready(p_lane, v_hint, 9223372036854775807, v_left, p_aside);
      fresh := fresh || v_ready.job_ids;
      v_keyed := v_keyed or v_ready.keyed;
      v_left := v_left - cardinality(v_ready.job_ids);
      -- Not past a batch that somebody else holds, of which a part may be left; but past one who does not end.
      v_next := coalesce(v_ready.used, least(v_place.newest, v_ready.cut - 1), v_hint);
      v_hint := coalesce((select r.seq - 1 from ops.ready r
                           where r.lane_id = p_lane and r.seq > greatest(v_hint, v_next - 200) and r.seq <= v_next
                           order by r.seq limit 1),
                         v_next);
    end if;

    if v_left > 0 and v_due_is_cut then
      v_more := ops.take_due(p_lane, coalesce(v_due.run_ats[cardinality(v_due.run_ats)], v_from),
        coalesce(v_due.job_ids[cardinality(v_due.job_ids)], case when v_goes_on then v_due_id end), v_now, v_left, p_aside);
      v_due_is_cut := coalesce(cardinality(v_more.job_ids), 0) = v_left;
      if v_more.job_ids is not null then
        v_due.job_ids := v_due.job_ids || v_more.job_ids;
        v_due.runs := v_due.runs || v_more.runs;
        v_due.attempts := v_due.attempts || v_more.attempts;
        v_due.run_ats := v_due.run_ats || v_more.run_ats;
        v_due.keyed := coalesce(v_due.keyed, false) or v_more.keyed;
        v_left := v_left - cardinality(v_more.job_ids);
      end if;
    end if;

    -- Who finds nothing has the time to sweep: what was committed late may be all there is, and woke a worker for it.
    exit when v_left < p_limit or v_sweep or v_rested <= 20 * v_place.sweep_took;
    v_sweep := true;
  end loop;

  if v_left = p_limit and (not v_sweep or v_place.sweep_took < interval '5 ms') then
    return;
  end if;
  claim_id := ops.new_claim_id();
  due := v_due.job_ids;
  attempts := v_due.attempts;
  run_ats := v_due.run_ats;
  -- What a sweep left is where the next claim starts: there may be more of it than sweeps would ever take. Without a lease no id is
  -- drawn that bounds a hint, though batches whose jobs were all cancelled may have moved it.
  v_hint := coalesce(v_behind, case when v_left = p_limit then least(v_hint, coalesce(v_place.newest, 0)) else v_hint end);
  -- For what is due, only a claim that had no room for all of it goes back.
  v_due_hint := run_ats[cardinality(run_ats)];
  v_due_id := due[cardinality(due)];
  if due is null or not v_due_is_cut and v_due_hint < v_place.newest_due then
    v_due_hint := least(coalesce(v_place.newest_due, '-infinity'), v_now);
    v_due_id := v_place.newest_due_id;
  end if;
  if v_left < p_limit then
    v_xid := ops.grant_lease((claim_id, p_lane, p_limit - v_left, v_keyed or coalesce(v_due.keyed, false),
      case when p_limit - v_left = 1 then coalesce(due[1], fresh[1]) end, p_worker, v_now, v_now + p_lock), v_hint > coalesce(v_place.newest, 0));
  end if;
  insert into ops.claim (id, lane_id, worker_id, claimed_at, job_ids, runs, attempts, hint, due_hint, next_xid, floor, due_id,
                         due_xid, due_floor, swept_at, sweep_took)
  values (claim_id, p_lane, p_worker, v_now, coalesce(due || fresh, fresh), v_due.runs, attempts, v_hint,
          v_due_hint,
          coalesce(v_xid, case when v_hint > v_place.hint then v_place.newest_xid else v_place.next_xid end, '0'), v_floor,
          v_due_id,
          -- Drawn after the transaction began, and that was no longer ago than half of the ten seconds.
          case when v_now < now() + interval '5 seconds' then pg_current_xact_id() end, v_due_floor,
          coalesce(v_place.swept_at, v_now), coalesce(v_place.sweep_took, interval '0'));
end $$;

-- The lanes of the wanted types, most urgent first and before others those in which jobs have been set aside, with the
-- organisations whose jobs wait aside. Of one priority chance decides: no type waits until the others have no jobs left.
create function ops.lanes_of(p_types text[]) returns table (id integer, type text, priority integer, aside uuid[])
language sql volatile
as $$
  select l.id, l.type, l.priority, (select array_agg(p.organization_id) from ops.queue_pause p
              where p.type = l.type and p.organization_id is not null and l.organization_id is null)
    from ops.lane l
   where l.type = any (p_types)
     and not exists (select from ops.queue_pause p
                      where (p.type is null or p.type = l.type) and (p.organization_id is null or p.organization_id = l.organization_id))
   order by l.priority desc, l.organization_id is null, random();
$$;

-- One round trip. Fewer jobs than asked for do not mean that there are no more.
create function ops.claim_jobs(p_job_types text[], p_limit integer, p_lock_timeout_minutes integer, p_worker_id text)
returns table (job_id uuid, job_type text, payload jsonb, attempts integer, created_at timestamptz, lease_token bigint,
               priority integer, max_attempts integer, run_at timestamptz, trace_id text, organization_id uuid, options jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_now  timestamptz := clock_timestamp();
  v_dead bigint[];
  v_lock interval;
  v_left integer := p_limit;
  v_lane record;
  v_got  record;
  v_fresh uuid[];
begin
  if coalesce(length(p_worker_id), 0) not between 1 and 200 or coalesce(cardinality(p_job_types), 0) = 0
     or coalesce(p_limit, 0) not between 1 and 1000 or coalesce(p_lock_timeout_minutes, -1) not between 0 and 1440 then
    perform ops.refuse(case
      when coalesce(length(p_worker_id), 0) not between 1 and 200
        then 'p_worker_id must have 1 to 200 characters, unique to this worker process'
      when coalesce(cardinality(p_job_types), 0) = 0 then 'p_job_types must name at least one job type'
      when coalesce(p_limit, 0) not between 1 and 1000 then 'p_limit must be 1 to 1000'
      else 'p_lock_timeout_minutes must be 0 to 1440'
    end);
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    perform ops.refuse_old_snapshot();
  end if;

  v_dead := ops.dead_claims(v_now, p_job_types, null);
  if v_dead <> '{}' then
    perform ops.return_jobs(v_dead);
  end if;
  if not exists (select from ops.worker w where w.id = p_worker_id) then
    v_lock := make_interval(mins => p_lock_timeout_minutes);
  end if;
  for v_lane in select * from ops.lanes_of(p_job_types) loop
    v_got := ops.claim_lane(v_lane.id, v_left, p_worker_id, v_lock, v_lane.aside);
    if v_got.due is not null then
      return query
        select j.id, v_lane.type, j.payload, u.attempt::integer, j.created_at, v_got.claim_id, v_lane.priority,
               j.max_attempts::integer, u.run_at, encode(uuid_send(j.trace_id), 'hex'), j.organization_id, j.options
          from unnest(v_got.due, v_got.attempts, v_got.run_ats) u (id, attempt, run_at)
          cross join lateral (select * from ops.job j where j.id = u.id offset 0) j;
      v_left := v_left - cardinality(v_got.due);
    end if;
    if v_got.fresh <> '{}' then
      -- They are neighbours in the index: one descent for all of them, and the bounds leave out the other partitions.
      v_fresh := case when cardinality(v_got.fresh) = 1 then v_got.fresh else array(select i from unnest(v_got.fresh) i order by i) end;
      return query
        select j.id, v_lane.type, j.payload, 1, j.created_at, v_got.claim_id, v_lane.priority, j.max_attempts::integer, j.run_at,
               encode(uuid_send(j.trace_id), 'hex'), j.organization_id, j.options
          from ops.job j
         where j.id = any (v_fresh) and j.id between v_fresh[1] and v_fresh[cardinality(v_fresh)];
      v_left := v_left - cardinality(v_fresh);
    end if;
    exit when v_left <= 0;
  end loop;
end $$;

create function ops.claim_pending_job(
  p_job_types            text[],
  p_lock_timeout_minutes integer default 30,
  p_worker_id            text    default null
) returns table (job_id uuid, job_type text, payload jsonb, attempts integer, created_at timestamptz, lease_token bigint,
                 priority integer, max_attempts integer, run_at timestamptz, trace_id text, organization_id uuid, options jsonb)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select * from ops.claim_jobs(p_job_types, 1, p_lock_timeout_minutes, p_worker_id);
$$;

-- ── reporting ────────────────────────────────────────────────────────────────────────────────────────────────────

create function ops.fault_of_outcome(p_status text, p_backoff_seconds double precision) returns text
language sql immutable
return case
  when coalesce(p_status, '') not in ('completed', 'failed', 'pending', 'cancelled', 'released')
    then 'the status must be completed, failed, pending (retry) or cancelled'
  when p_status = 'pending' and p_backoff_seconds is null then 'a retry needs a back-off'
  when p_status in ('pending', 'released') and p_backoff_seconds not between 0 and 31536000
    then 'a back-off must be 0 to 31536000 seconds'
end;

-- A retry without attempts left is a failure, and so is what was run 32,000 times: nobody wants it.
create function ops.outcome_status_of(p_status text, p_job_id uuid, p_run smallint, p_attempt smallint) returns ops.outcome_status
language sql stable
return case
  when p_status in ('pending', 'released') and (p_run >= 32000 or p_status = 'pending' and p_attempt >=
    (select j.max_attempts from ops.job j where j.id = p_job_id)) then 'failed'
  when p_status = 'pending' then 'retry'
  else p_status
end::ops.outcome_status;

-- What has ended gives up its unique key; one status is that of all.
create function ops.give_up_keys(p_jobs uuid[], p_statuses ops.outcome_status[]) returns void
language sql
as $$
  delete from ops.unique_key k where k.job_id = any (array(
    select u.job_id from unnest(p_jobs, p_statuses) u (job_id, status)
     where coalesce(u.status, p_statuses[1]) in ('completed', 'failed', 'cancelled')));
$$;

-- Jobs that follow a job: of its organisation and its trace.
create function ops.queue_follow_ups(p_job_id uuid, p_jobs jsonb) returns void
language plpgsql
as $$
declare
  v_job  ops.job;
  v_org  text := current_setting('ops.organization_id', true);
  v_trace text := current_setting('ops.trace_id', true);
  v_actor text := current_setting('ops.actor', true);
begin
  select * into v_job from ops.job j where j.id = p_job_id;
  perform set_config('ops.organization_id', coalesce(v_job.organization_id::text, ''), true),
          set_config('ops.trace_id', encode(uuid_send(v_job.trace_id), 'hex'), true),
          set_config('ops.actor', 'job:' || v_job.id, true);
  perform ops.insert_jobs(p_jobs, false, false);
  perform set_config('ops.organization_id', coalesce(v_org, ''), true), set_config('ops.trace_id', coalesce(v_trace, ''), true),
          set_config('ops.actor', coalesce(v_actor, ''), true);
end $$;

-- A snapshot that is older than a claim does not show it: its reports would be refused, although they are in time.
create function ops.refuse_unseen_claims(p_lease_tokens bigint[]) returns void
language plpgsql stable
as $$
begin
  if exists (select from unnest(p_lease_tokens) t (token) where not exists (select from ops.claim c where c.id = t.token offset 0)) then
    raise exception 'this transaction cannot see a claim that it reports on' using errcode = '40001';
  end if;
end $$;

-- Outcomes of jobs that were claimed with these tokens, in arrays of the same length. Returns those whose outcome was
-- refused: somebody else has ended that run. The lease of the claim is what lets only one of several outcomes take effect: who
-- reports, cancels or returns a job locks it first. A job that is released goes back in front of what was never claimed or, with
-- a back-off, runs when that has passed. Follow-ups are arrays of elements as of queue_jobs, queued if the outcome took effect.
create function ops.complete_jobs(
  p_job_ids uuid[], p_lease_tokens bigint[], p_statuses text[], p_errors text[] default null,
  p_backoffs double precision[] default null, p_results jsonb[] default null, p_follow_ups jsonb[] default null
) returns table (job_id uuid, lease_token bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set enable_nestloop = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_now    timestamptz := clock_timestamp();
  v_claims bigint[];
  v_keyed  boolean;
  v_plain  boolean := not exists (select from unnest(p_statuses) s where s is distinct from 'completed') and p_follow_ups is null;
  v_count  integer;
  v_stored record;
begin
  if not v_plain then
    perform ops.refuse(ops.fault_of_outcome(u.status, u.backoff)) from unnest(p_statuses, p_backoffs) u (status, backoff);
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    perform ops.refuse_unseen_claims(p_lease_tokens);
  end if;
  select array_agg(l.claim_id), bool_or(l.keyed) into v_claims, v_keyed
    from (select l.claim_id, l.keyed from ops.lease l
           where l.claim_id = any (array(select distinct unnest(p_lease_tokens))) order by l.claim_id for update) l;
  if v_claims is null then
    return query select * from unnest(p_job_ids, p_lease_tokens);
    return;
  end if;

  -- Nearly always all are stored, and a plain INSERT writes a third less than one that is ready for a conflict.
  begin
    with runs as materialized (
      select * from ops.runs_of(v_claims)
    )
    insert into ops.outcome (job_id, run, attempt, status, claim_id, at, error, result)
    select r.job_id, r.run, r.attempt, case u.status when 'completed' then 'completed'
             else ops.outcome_status_of(u.status, r.job_id, r.run, r.attempt) end, r.claim_id, v_now, left(u.error, 2000), u.result
      from unnest(p_job_ids, p_lease_tokens, p_statuses, p_errors, p_results) u (job_id, token, status, error, result)
      join runs r on r.job_id = u.job_id and r.claim_id = u.token
     order by r.job_id;
    get diagnostics v_count = row_count;
  exception when unique_violation then
    with runs as materialized (
      select * from ops.runs_of(v_claims)
    )
    insert into ops.outcome (job_id, run, attempt, status, claim_id, at, error, result)
    select r.job_id, r.run, r.attempt, ops.outcome_status_of(u.status, r.job_id, r.run, r.attempt), r.claim_id, v_now,
           left(u.error, 2000), u.result
      from unnest(p_job_ids, p_lease_tokens, p_statuses, p_errors, p_results)
           with ordinality u (job_id, token, status, error, result, ordinal)
      join runs r on r.job_id = u.job_id and r.claim_id = u.token
     order by r.job_id, u.ordinal
    on conflict do nothing;
    get diagnostics v_count = row_count;
  end;

  -- Of these claims nobody else can have stored an outcome at this very time: their leases are locked.
  if v_plain and v_count = cardinality(p_job_ids) then
    select p_job_ids as jobs, p_lease_tokens as tokens, null::smallint[] as runs, array['completed']::ops.outcome_status[] as statuses
      into v_stored;
  else
    with runs as materialized (
      select * from ops.runs_of(v_claims)
    )
    select array_agg(o.job_id) as jobs, array_agg(o.claim_id) as tokens, array_agg(o.run) as runs, array_agg(o.status) as statuses
      into v_stored
      from runs r cross join lateral (
        select * from ops.outcome o where o.job_id = r.job_id and o.run = r.run and o.claim_id = r.claim_id and o.at = v_now offset 0) o;
    return query
      select u.job_id, u.token from unnest(p_job_ids, p_lease_tokens) u (job_id, token)
        left join unnest(v_stored.jobs, v_stored.tokens) v (job_id, token) on v.job_id = u.job_id and v.token = u.token
       where v.job_id is null;
  end if;
  if v_stored.jobs is null then
    return;
  end if;

  with settled as materialized (
    select u.claim_id, count(*)::integer as n from unnest(v_stored.tokens) u (claim_id) group by u.claim_id
  ), over as (
    delete from ops.lease l using settled s where l.claim_id = s.claim_id and l.unsettled = s.n
  )
  update ops.lease l set unsettled = l.unsettled - s.n from settled s where l.claim_id = s.claim_id and l.unsettled > s.n;

  if v_keyed then
    perform ops.give_up_keys(v_stored.jobs, v_stored.statuses);
  end if;
  if v_plain then
    return;
  end if;
  if exists (select from unnest(v_stored.statuses) s where s not in ('completed', 'cancelled')) then
    perform ops.run_again(array_agg(v.job_id), array_agg(v.run), array_agg(u.backoff))
      from unnest(v_stored.jobs, v_stored.tokens, v_stored.runs, v_stored.statuses) v (job_id, token, run, status)
      left join (select distinct on (job_id, token) * from unnest(p_job_ids, p_lease_tokens, p_backoffs)
                   with ordinality u (job_id, token, backoff, ordinal) order by job_id, token, ordinal) u
        on u.job_id = v.job_id and u.token = v.token
     where v.status not in ('completed', 'cancelled');
  end if;
  if p_follow_ups is not null then
    perform ops.queue_follow_ups(u.job_id, u.follow_ups)
      from unnest(v_stored.jobs, v_stored.tokens) v (job_id, token)
      join (select distinct on (job_id, token) * from unnest(p_job_ids, p_lease_tokens, p_follow_ups)
              with ordinality u (job_id, token, follow_ups, ordinal) order by job_id, token, ordinal) u
        on u.job_id = v.job_id and u.token = v.token
     where u.follow_ups is not null;
  end if;
end $$;

create function ops.update_job_status(
  p_job_id          uuid,
  p_status          text,
  p_error_message   text    default null,
  p_backoff_seconds integer default null
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
  v_token bigint := nullif(current_setting('ops.lease_token', true), '')::bigint;
  v_lease ops.lease;
begin
  perform ops.refuse(case when p_status = 'released' then 'only complete_jobs gives a job back'
                          else ops.fault_of_outcome(p_status, p_backoff_seconds) end);
  if v_token is null then
    perform ops.refuse_old_snapshot();
    select l.* into v_lease from ops.lease l where l.claim_id = (select n.lease_token from ops.job_now n where n.id = p_job_id) for update;
    if not found or not ops.lease_is_live(v_lease, clock_timestamp()) then
      return false;
    end if;
    v_token := v_lease.claim_id;
  end if;
  return not exists (select from ops.complete_jobs(array[p_job_id], array[v_token], array[p_status], array[p_error_message],
                                                   array[p_backoff_seconds::double precision]));
end $$;
comment on function ops.update_job_status is
  'Whether the outcome took effect. The lease token comes from the transaction-local setting ops.lease_token; without it the current attempt is meant, while its lease is live.';

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
  perform ops.refuse_old_snapshot();
  return query
    select r.job_id, r.job_type, case when r.dead then 'dead_lettered' else 'requeued' end, r.attempts, r.max_attempts
      from ops.return_jobs(ops.dead_claims(v_now, null, p_lock_timeout_minutes)) r;
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

-- A beat that also says how long this worker may be silent and which jobs it has (null: says nothing of them). Learns what
-- the worker shall do, and which of its leases are gone.
create function ops.worker_beat(
  p_worker_id text, p_worker_type text, p_hostname text, p_status text, p_dead_after_seconds double precision,
  p_job_ids uuid[], p_lease_tokens bigint[], out command text, out lost_job_ids uuid[], out lost_lease_tokens bigint[]
) language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone text[];
begin
  perform ops.refuse(case
    when p_dead_after_seconds not between 1 and 3600 then 'p_dead_after_seconds must be 1 to 3600'
  end);
  perform ops.refuse_old_snapshot();
  perform ops.register_heartbeat(p_worker_id, p_worker_type, p_hostname, p_status);
  update ops.worker set dead_after = make_interval(secs => p_dead_after_seconds)
   where id = p_worker_id and dead_after <> make_interval(secs => p_dead_after_seconds);
  -- Another worker's beat may hold a row that looks old: waiting for it could deadlock.
  delete from ops.worker where id = any (array(
    select w.id from ops.worker w
     where w.last_seen_at < clock_timestamp() - interval '1 day'
       and not exists (select from ops.lease l where l.worker_id = w.id)
       for update skip locked));
  -- The answer to a claim can be lost on its way. A lease that its own worker does not have, once it is as old as a
  -- silence that means death, is dead too; and so is one of a worker whose row went while it claimed.
  v_gone := array(select l.worker_id from (select * from ops.lease l where l.expires_at is null offset 0) l
                  except select w.id from ops.worker w);
  update ops.lease set worker_id = null, expires_at = clock_timestamp() where claim_id = any (array(
    select l.claim_id from ops.lease l
     where l.worker_id = p_worker_id and l.claimed_at < clock_timestamp() - make_interval(secs => p_dead_after_seconds)
       and l.claim_id <> all (p_lease_tokens)
        or l.worker_id = any (v_gone) and l.expires_at is null
       for update skip locked));
  perform ops.sum_tallies();
  command := (select w.command from ops.worker w where w.id = p_worker_id);
  select coalesce(array_agg(u.job_id), '{}'), coalesce(array_agg(u.token), '{}') into lost_job_ids, lost_lease_tokens
    from unnest(p_job_ids, p_lease_tokens) u (job_id, token)
   where not exists (
     select from (select * from ops.lease l where l.claim_id = u.token offset 0) l
       join ops.runs_of(array[u.token]) r on r.claim_id = l.claim_id
      where l.worker_id = p_worker_id and r.job_id = u.job_id
        and not exists (select from ops.outcome o where o.job_id = r.job_id and o.run = r.run offset 0));
end $$;

-- In its listening session a worker says that it has nothing to do, and wants to be notified of jobs of these types, or
-- that it is busy. The session's end says the latter.
create function ops.set_idle(p_types text[], p_idle boolean) returns void
language sql volatile
as $$
  select case when p_idle then pg_advisory_lock_shared(5526, hashtext(t)) else pg_advisory_unlock_shared(5526, hashtext(t))::text::void end
    from unnest(p_types) t order by hashtext(t);
$$;

do $$
declare
  v_worker text := current_setting('dragonfly.worker_role');
begin
  execute format('grant execute on function ops.claim_jobs(text[], integer, integer, text),
    ops.claim_pending_job(text[], integer, text), ops.update_job_status(uuid, text, text, integer),
    ops.complete_jobs(uuid[], bigint[], text[], text[], double precision[], jsonb[], jsonb[]), ops.reap_stuck_jobs(integer),
    ops.register_heartbeat(text, text, text, text),
    ops.worker_beat(text, text, text, text, double precision, uuid[], bigint[]), ops.set_idle(text[], boolean),
    ops.maintain(interval) to %I', v_worker);
end $$;
