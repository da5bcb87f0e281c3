-- Owner: platform
-- Compatibility: first release
--
-- The ops job queue. docs/architecture/queue.md tells it on one page. Words, used alike in SQL, code, API and metrics:
--   job         work to be done: one row of ops.job, which never changes
--   lane        the jobs of one type and one priority
--   ready       what waits to be claimed for the first time, in batches of up to fifty jobs
--   scheduled   what waits for a time: a job's first run that was delayed, and every later run
--   claim       a worker takes a batch of jobs of a lane; one row, which never changes, is the record of it
--   lease       the right to work on the jobs of a claim, a row as long as one of them has no outcome
--   run         one turn of a job in the hands of a worker, or one end of it without; numbered from 1
--   attempt     a run that counts: what is given back unworked does not
--   outcome     how a run ended; of two for one run only the first is stored
--   dead letter a job that failed for good; it stays until it is redriven or purged
--   heartbeat   a worker's sign of life; who ever beat is alive until dead_after has passed since the last beat
--
-- Nothing that grows is ever updated. A job's path is written down where it leads next; what is behind it is only read,
-- and goes by dropping whole partitions. Rows that are deleted (ready, scheduled, leases) are few, narrow, and never searched
-- from their beginning: a claim starts where the last one ended.
--
-- Who changes a job's path first locks the row that says where the job is (ready, scheduled, or lease) and then writes what
-- becomes of it. Claims and the reaper pass by what is locked; reports and clients wait for it. Several rows are locked in
-- the order of their keys. Only the database's clock decides. An argument out of its range is 22023.

-- Made by the first job of a type and a priority, and for ever. Transactions that do so at the same time make one each rather
-- than wait for each other; the first is then used by everybody, and the others are empty.
create table ops.lane (
  id              integer  generated always as identity primary key,
  type            text     not null check (length(type) between 1 and 100),
  priority        smallint not null check (priority between -100 and 100),
  organization_id uuid     -- set where the jobs of one organisation wait aside, whose queue is or was paused
);
create index lane_type on ops.lane (type, priority, organization_id, id);

-- By the time in the id, like its outcomes: one look-up touches one partition, and both are dropped together.
create table ops.job (
  id              uuid        not null,
  seq             bigint,     -- of the batch in ops.ready, for a job that was queued to run at once
  created_at      timestamptz not null,
  run_at          timestamptz not null,
  lane_id         integer     not null,
  max_attempts    smallint    not null,
  organization_id uuid,
  trace_id        uuid        not null,
  created_by      text,
  unique_key      text,
  options         jsonb,
  payload         jsonb       not null,
  primary key (id)
) partition by range (id);
create index job_listing on ops.job (organization_id, id) where organization_id is not null;

create sequence ops.ready_seq;
create table ops.ready (
  lane_id         integer not null,
  seq             bigint  not null,
  keyed           boolean not null,  -- one of the jobs has a unique key
  organization_id uuid,              -- of all of them
  job_ids         uuid[]  not null,
  primary key (lane_id, seq)
);
alter table ops.ready alter job_ids set storage plain;

create table ops.scheduled (
  job_id          uuid        primary key,
  run_at          timestamptz not null,
  lane_id         integer     not null,
  run             smallint    not null,
  attempt         smallint    not null,
  keyed           boolean     not null,
  organization_id uuid
);
create index scheduled_due on ops.scheduled (lane_id, run_at, job_id);

-- Its last columns are where the next claim of the lane starts: see ops.place_of.
create sequence ops.claim_id;

-- The id of a claim is the token of its lease, so it must not come twice. A claim that did not wait for the disk can be undone by a
-- crash of the server, and what its sequence gave out since the last flush with it: the next claim of the same jobs would have the
-- same number. So its last twenty bits are of chance; the number above them keeps ids in the order of their claims.
create function ops.new_claim_id() returns bigint
language sql volatile
return nextval('ops.claim_id') * 1048576 + floor(random() * 1048576)::bigint;

create table ops.claim (
  id         bigint      not null,
  lane_id    integer     not null,
  worker_id  text        not null,
  claimed_at timestamptz not null,
  job_ids    uuid[]      not null,
  runs       smallint[],  -- of the first of them, which were scheduled; those after these are in their first run
  attempts   smallint[],
  hint       bigint      not null,  -- what is ready up to here was taken by this claim or one before
  due_hint   timestamptz not null,  -- what was scheduled up to then was, too, and of those for then the jobs up to due_id
  next_xid   xid8        not null,  -- whoever drew a seq up to the hint has an older one
  floor      bigint      not null,  -- up to here nothing is ready, and nothing can appear any more
  due_id     uuid,
  due_xid    xid8,                  -- whoever scheduled something for a time that was over ten seconds before has an older one
  due_floor  timestamptz not null,  -- before then nothing is scheduled, nor will be, unless a clock goes back
  swept_at   timestamptz not null,
  sweep_took interval    not null,
  primary key (id)
) partition by range (id);
create index claim_lane on ops.claim (lane_id, id);
alter table ops.claim alter job_ids set storage external;

create table ops.lease (
  claim_id   bigint      primary key,
  lane_id    integer     not null,
  unsettled  integer     not null,  -- jobs of the claim without outcome
  keyed      boolean     not null,
  job_id     uuid,                  -- of a claim of one job
  worker_id  text,                  -- null: its worker does not have it
  claimed_at timestamptz not null,
  expires_at timestamptz            -- null: the worker's beats decide
) with (fillfactor = 70);
create index lease_worker on ops.lease (worker_id);
create index lease_job on ops.lease (job_id) where job_id is not null;
create index lease_expiry on ops.lease (expires_at) where expires_at is not null;

create type ops.outcome_status as enum (
  'completed', 'failed', 'cancelled',  -- the job's end
  'retry', 'lost', 'released',         -- it runs again: it failed, its lease was lost, it was given back
  'redriven'                           -- a client asked for it again
);
create table ops.outcome (
  job_id   uuid               not null,
  run      smallint           not null,
  attempt  smallint           not null,
  status   ops.outcome_status not null,
  claim_id bigint,            -- null: nobody worked on it
  at       timestamptz        not null,
  error    text,
  result   jsonb,
  primary key (job_id, run)
) partition by range (job_id);

create table ops.dead_letter (
  job_id          uuid        primary key,
  lane_id         integer     not null,
  organization_id uuid,
  at              timestamptz not null
);
create index dead_letter_lane on ops.dead_letter (lane_id, organization_id, job_id);

-- A row while the job that has the key is unfinished.
create table ops.unique_key (
  organization_id uuid,
  type            text not null,
  key             text not null check (length(key) between 1 and 200),
  job_id          uuid not null unique,
  constraint job_unique_key unique nulls not distinct (organization_id, type, key)
);

-- What was added to and taken from the jobs of a lane, summed up now and then: figures are sums of few rows.
create table ops.tally (
  lane_id         integer not null,
  organization_id uuid,
  ready           bigint  not null,
  scheduled       bigint  not null,
  dead            bigint  not null
);

create table ops.worker (
  id           text        primary key check (length(id) between 1 and 200),
  type         text        not null check (length(type) between 1 and 100),
  hostname     text,
  status       text        not null check (status in ('running', 'stopped', 'error')),
  command      text        not null default 'run' check (command in ('run', 'drain', 'stop')),
  dead_after   interval    not null default '60 seconds' check (dead_after between '1 second' and '1 hour'),
  started_at   timestamptz not null default now(),
  last_seen_at timestamptz not null
) with (fillfactor = 50);

-- A pause without an organisation holds for all of them, one without a type for all types.
create table ops.queue_pause (
  type            text,
  organization_id uuid,
  paused_at       timestamptz not null default now(),
  paused_by       text,
  unique nulls not distinct (type, organization_id)
);

create function ops.refuse(p_fault text) returns void
language plpgsql immutable
as $$
begin
  if p_fault is not null then
    raise exception '%', p_fault using errcode = '22023';
  end if;
end $$;

-- ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────

-- What is unfinished when its partition goes, and whatever nobody made a partition for.
create table ops.job_rest partition of ops.job default;
create table ops.outcome_rest partition of ops.outcome default;
create table ops.claim_rest partition of ops.claim default;

-- The least id that ops.uuid_v7 makes at that time.
create function ops.uuid_at(p_at timestamptz) returns uuid
language sql immutable parallel safe
return rpad(lpad(to_hex(floor(extract(epoch from p_at) * 1000)::bigint), 12, '0'), 32, '0')::uuid;

-- The least id of a claim in that partition.
create function ops.claims_from(p_part bigint) returns bigint
language sql immutable parallel safe
return p_part * 10000000 * 1048576;

-- Jobs and outcomes of one day of UTC. Rows that came before their partition move into it; nobody adds to them meanwhile.
create function ops.make_day(p_day date) returns void
language plpgsql
as $$
declare
  v_name text := to_char(p_day, 'YYYYMMDD');
  v_from uuid := ops.uuid_at(p_day::timestamp at time zone 'UTC');
  v_to   uuid := ops.uuid_at((p_day + 1)::timestamp at time zone 'UTC');
begin
  lock table ops.job_rest, ops.outcome_rest in access exclusive mode;
  execute format('create table ops.job_%s (like ops.job including all)', v_name);
  execute format('create table ops.outcome_%s (like ops.outcome including all)', v_name);
  execute format('with early as (delete from ops.job_rest where id >= %L and id < %L returning *)
                  insert into ops.job_%s select * from early', v_from, v_to, v_name);
  execute format('with early as (delete from ops.outcome_rest where job_id >= %L and job_id < %L returning *)
                  insert into ops.outcome_%s select * from early', v_from, v_to, v_name);
  execute format('alter table ops.job attach partition ops.job_%s for values from (%L) to (%L)', v_name, v_from, v_to);
  execute format('alter table ops.outcome attach partition ops.outcome_%s for values from (%L) to (%L)', v_name, v_from, v_to);
end $$;

-- What of that day is unfinished, or finished after p_since, moves away, and the rest is dropped; false if that is more than p_most,
-- as nobody can queue while it moves.
create function ops.drop_day(p_day date, p_since timestamptz, p_most integer) returns boolean
language plpgsql
as $$
declare
  v_name text := to_char(p_day, 'YYYYMMDD');
  v_from uuid := ops.uuid_at(p_day::timestamp at time zone 'UTC');
  v_to   uuid := ops.uuid_at((p_day + 1)::timestamp at time zone 'UTC');
  v_kept uuid[];
begin
  -- Says so at once in most cases: the next step deletes a part of the day, and then this is asked again.
  if (select count(*) from (
        (select from ops.dead_letter d where d.job_id >= v_from and d.job_id < v_to limit p_most + 1)
        union all
        (select from ops.scheduled s where s.job_id >= v_from and s.job_id < v_to limit p_most + 1)
) k)
     + (select coalesce(sum(cardinality(r.job_ids)), 0) from ops.ready r where r.job_ids[1] >= v_from and r.job_ids[1] < v_to) > p_most then
    return false;
  end if;
  -- This takes long, so it comes before any lock.
  execute format('
    select array(
      select j.id from ops.job_%1$s j
        left join (select distinct on (job_id) job_id, status, at from ops.outcome_%1$s order by job_id, run desc) o on o.job_id = j.id
       where o.status is null or o.status not in (''completed'', ''cancelled'') or o.at >= %2$L
       limit %3$s)', v_name, p_since, p_most + 1) into v_kept;
  if cardinality(v_kept) > p_most then
    return false;
  end if;
  execute format('alter table ops.job detach partition ops.job_%s', v_name);
  execute format('alter table ops.outcome detach partition ops.outcome_%s', v_name);
  -- A cancelled job may have been redriven since, and may have failed then.
  v_kept := v_kept || array(
    select s.job_id from ops.scheduled s where s.job_id >= v_from and s.job_id < v_to
    union
    select d.job_id from ops.dead_letter d where d.job_id >= v_from and d.job_id < v_to
    union
    select u.id from ops.lease l join ops.claim c on c.id = l.claim_id cross join unnest(c.job_ids) u (id)
     where u.id >= v_from and u.id < v_to);
  execute format('insert into ops.job select * from ops.job_%s where id = any ($1)', v_name) using v_kept;
  execute format('insert into ops.outcome select * from ops.outcome_%s where job_id = any ($1)', v_name) using v_kept;
  execute format('drop table ops.job_%1$s, ops.outcome_%1$s', v_name);
  return true;
end $$;

-- Deletes jobs of job_<p_part> that were finished before p_since, at most p_most of them, and says how many outcomes they had.
create function ops.delete_finished(p_part text, p_since timestamptz, p_most integer) returns integer
language plpgsql
as $$
declare
  -- While others of its claim run, its outcome refuses one more report, which would end the lease of all.
  v_finished constant text := format($sql$
    (select o.status in ('completed', 'cancelled') and o.at < %L from ops.outcome_%s o where o.job_id = j.id order by o.run desc limit 1)
    and not exists (select from ops.outcome_%2$s o join ops.lease l on l.claim_id = o.claim_id where o.job_id = j.id)
    $sql$, p_since, p_part);
  v_ids   uuid[];
  v_count integer;
begin
  execute format('
    select array(select j.id from ops.job_%s j where j.id < %L and %s order by j.id limit %s for update skip locked)',
    p_part, ops.uuid_at(p_since), v_finished, p_most) into v_ids;
  -- One that was cancelled may have been redriven before it was locked, and not after that.
  execute format('
    with old as (delete from ops.job_%1$s j where j.id = any ($1) and %2$s returning j.id)
    delete from ops.outcome_%1$s o using old where o.job_id = old.id', p_part, v_finished) using v_ids;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- Ten million claims.
create function ops.make_claims(p_part bigint) returns void
language plpgsql
as $$
declare
  v_from bigint := ops.claims_from(p_part);
  v_to   bigint := ops.claims_from(p_part + 1);
begin
  lock table ops.claim_rest in access exclusive mode;
  execute format('create table ops.claim_%s (like ops.claim including all)', p_part);
  execute format('with early as (delete from ops.claim_rest where id >= %s and id < %s returning *)
                  insert into ops.claim_%s select * from early', v_from, v_to, p_part);
  execute format('alter table ops.claim attach partition ops.claim_%s for values from (%s) to (%s)', p_part, v_from, v_to);
end $$;

-- Makes what partitions are missing for today and the coming days, and says whether there were any.
create function ops.make_partitions() returns boolean
language plpgsql
as $$
declare
  v_today date := (clock_timestamp() at time zone 'UTC')::date;
  v_part  bigint := (select last_value / 10000000 from ops.claim_id);
  v_made  boolean := false;
begin
  for n in 0..3 loop
    if to_regclass('ops.job_' || to_char(v_today + n, 'YYYYMMDD')) is null then
      perform ops.make_day(v_today + n);
      v_made := true;
    end if;
  end loop;
  for n in 0..1 loop
    if to_regclass('ops.claim_' || v_part + n) is null then
      perform ops.make_claims(v_part + n);
      v_made := true;
    end if;
  end loop;
  return v_made;
end $$;

-- One step of the upkeep: makes the partitions of the coming days, or drops one whose jobs are finished for p_keep, or deletes
-- some of what has got so old elsewhere and in days of which too much is unfinished. Says what it did; null when nothing is left
-- to do. Each step is a transaction of its own, so that none holds the locks of another. Who is in the way of one is not waited
-- for longer than 50 ms: a waiting DROP would stall everybody behind it. Workers call it every hour until it says null; one does
-- it at a time.
create function ops.maintain(p_keep interval default '7 days') returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' set jit = off
as $$
declare
  v_most_moved   constant integer := 5000;
  v_most_deleted constant integer := 50000;
  v_since timestamptz := clock_timestamp() - p_keep;
  v_day   date;
  v_part  bigint;
  v_count integer;
begin
  perform ops.refuse(case when p_keep < interval '1 hour' then 'p_keep must be 1 hour or more' end);
  perform ops.refuse_old_snapshot();
  if not pg_try_advisory_xact_lock(5525, 1) then
    return null;
  end if;
  begin
    if ops.make_partitions() then
      return 'partitions made';
    end if;
  exception when lock_not_available then null;
  end;

  for v_day in
    select d.day from pg_inherits i join pg_class c on c.oid = i.inhrelid
      cross join lateral (select to_date(substring(c.relname from '^job_(\d{8})$'), 'YYYYMMDD') as day) d
     where i.inhparent = 'ops.job'::regclass and d.day < (v_since at time zone 'UTC')::date order by d.day
  loop
    begin
      if ops.drop_day(v_day, v_since, v_most_moved) then
        return 'job_' || to_char(v_day, 'YYYYMMDD') || ' dropped';
      end if;
      v_count := ops.delete_finished(to_char(v_day, 'YYYYMMDD'), v_since, v_most_deleted);
      if v_count > 0 then
        return v_count || ' old outcomes of job_' || to_char(v_day, 'YYYYMMDD') || ' deleted';
      end if;
    exception when lock_not_available then null;
    end;
  end loop;

  for v_part in
    select p.part from pg_inherits i join pg_class c on c.oid = i.inhrelid
      cross join lateral (select substring(c.relname from '^claim_(\d+)$')::bigint as part) p
     where i.inhparent = 'ops.claim'::regclass and p.part < (select last_value / 10000000 from ops.claim_id)
       and not exists (select from ops.lease l where l.claim_id >= ops.claims_from(p.part) and l.claim_id < ops.claims_from(p.part + 1))
     order by p.part
  loop
    exit when (select c.claimed_at >= v_since from ops.claim c
                where c.id >= ops.claims_from(v_part) and c.id < ops.claims_from(v_part + 1) order by c.id desc limit 1);
    begin
      execute format('drop table ops.claim_%s', v_part);
      return 'claim_' || v_part || ' dropped';
    exception when lock_not_available then null;
    end;
  end loop;

  delete from ops.idempotency_key i where i.scope in (
    select k.scope from ops.idempotency_key k where k.expires_at <= now() order by k.expires_at limit 1000 for update skip locked);
  get diagnostics v_count = row_count;
  if v_count > 0 then
    return v_count || ' idempotency keys deleted';
  end if;

  v_count := ops.delete_finished('rest', v_since, v_most_deleted);
  if v_count > 0 then
    return v_count || ' old outcomes deleted';
  end if;
  delete from ops.claim_rest c where c.claimed_at < v_since and not exists (select from ops.lease l where l.claim_id = c.id);
  return null;
end $$;
comment on function ops.maintain is 'One step of the upkeep of partitions, and what it was; null when nothing is left to do.';

-- Sums up what was counted since the last time.
create function ops.sum_tallies() returns void
language plpgsql
as $$
begin
  if not pg_try_advisory_xact_lock(5525, 2) then
    return;
  end if;
  with gone as (delete from ops.tally returning *)
  insert into ops.tally (lane_id, organization_id, ready, scheduled, dead)
  select lane_id, organization_id, sum(ready), sum(scheduled), sum(dead) from gone
   group by lane_id, organization_id
  having sum(ready) <> 0 or sum(scheduled) <> 0 or sum(dead) <> 0;
end $$;

select ops.make_partitions();
