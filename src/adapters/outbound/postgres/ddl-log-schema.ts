import { DatabaseError, escapeIdentifier } from 'pg';
import { MIGRATION_LOCK } from './migration-lock.ts';

type Run = (text: string) => Promise<unknown>;

export interface DdlLogReaders {
  /** May acknowledge, too. */
  readonly owner: string;
  readonly readers: readonly string[];
}

/**
 * The record of direct DDL (DATA-9), which is the administrator's and no migration's: who can migrate can neither change nor
 * empty it. Idempotent.
 *
 * @param run statements of one session, as the administrator, in the service's database
 * @returns whether the event triggers are there; they need a superuser
 */
export async function installDdlLog(run: Run, { owner, readers }: DdlLogReaders): Promise<boolean> {
  const everybody = [owner, ...readers].map(escapeIdentifier).join(', ');
  await run('begin');
  try {
    await run(SCHEMA);
    await run(`grant usage on schema ddl_log to ${everybody};
               grant select on ddl_log.unacknowledged to ${everybody};
               grant execute on function ddl_log.acknowledge(bigint, text) to ${escapeIdentifier(owner)}`);
    await run(TRIGGERS);
    await run('commit');
    return true;
  } catch (error) {
    await run('rollback');
    if (error instanceof DatabaseError && error.code === INSUFFICIENT_PRIVILEGE) return false;
    throw error;
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';

/** Begins with what would record the rest. */
const SCHEMA = `
drop event trigger if exists ddl_log_command;
drop event trigger if exists ddl_log_drop;

create schema if not exists ddl_log;
comment on schema ddl_log is 'Owner: platform. DDL that no migration made; made by the roles command.';

create table if not exists ddl_log.entry (
  id              bigint      generated always as identity primary key,
  at              timestamptz not null default clock_timestamp(),
  role            text        not null default session_user,
  application     text        not null default current_setting('application_name'),
  address         inet        default inet_client_addr(),
  command         text        not null,
  object          text        not null,
  acknowledged_at timestamptz,
  acknowledged_by text,
  reason          text
);
create index if not exists entry_unacknowledged on ddl_log.entry (id) where acknowledged_at is null;

create or replace view ddl_log.unacknowledged as
  select id, at, role, application, address, command, object from ddl_log.entry where acknowledged_at is null;

-- The text of a statement may hold a secret, so it is not kept. Who holds the lock of the migrations migrates; a function of ops that
-- makes or drops a partition does what a migration has said.
create or replace function ddl_log.record() returns event_trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  get diagnostics v_context = pg_context;
  if v_context ~ 'function ops\\.' or exists (
    select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and granted and objsubid = 2
       and classid = ${MIGRATION_LOCK.space} and objid = ${MIGRATION_LOCK.id}
       and database = (select oid from pg_database where datname = current_database())) then
    return;
  end if;
  if tg_event = 'sql_drop' then
    insert into ddl_log.entry (command, object)
    select tg_tag, format('%s %s', o.object_type, o.object_identity) from pg_event_trigger_dropped_objects() o
     where o.original and not o.is_temporary;
  else
    insert into ddl_log.entry (command, object)
    select o.command_tag, format('%s %s', o.object_type, o.object_identity) from pg_event_trigger_ddl_commands() o
     where o.schema_name is distinct from 'pg_temp' and not o.in_extension and o.command_tag not in ('REINDEX', 'REFRESH MATERIALIZED VIEW');
  end if;
end $$;

create or replace function ddl_log.acknowledge(p_up_to bigint, p_reason text) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  with acknowledged as (
    update ddl_log.entry set acknowledged_at = clock_timestamp(), acknowledged_by = session_user, reason = p_reason
     where acknowledged_at is null and id <= p_up_to returning 1)
  select count(*) from acknowledged;
end;
revoke all on function ddl_log.record(), ddl_log.acknowledge(bigint, text) from public;`;

const TRIGGERS = `
create event trigger ddl_log_command on ddl_command_end execute function ddl_log.record();
create event trigger ddl_log_drop on sql_drop execute function ddl_log.record();
alter event trigger ddl_log_command enable always;
alter event trigger ddl_log_drop enable always;`;
