import type { DdlLog, DdlLogState, DirectDdl } from '#src/application/migrations/direct-ddl.ts';
import type { Row, SqlQuery } from './pool.ts';

const STATE = `
  select case
    when to_regclass('ddl_log.entry') is null then 'unavailable'
    when (select count(*) from pg_event_trigger where evtname in ('ddl_log_command', 'ddl_log_drop') and evtenabled = 'A') < 2 then 'off'
    else 'recording' end as state`;

/** A restored dump is thousands of changes. */
const MOST = 1000;

/** @param run statements as the owner of the schema; those that only read, as any role of the service */
export const postgresDdlLog = (run: (query: SqlQuery) => Promise<Row[]>): DdlLog => ({
  async state() {
    const [row] = await run({ text: STATE, values: [] });
    return row?.['state'] as DdlLogState;
  },

  async unacknowledged() {
    const text =
      'select id, at, role, application, command, object from ddl_log.unacknowledged order by id limit $1';
    return (await run({ text, values: [MOST] })) as unknown as DirectDdl[];
  },

  async acknowledge(upTo, reason) {
    const [row] = await run({
      text: `with acknowledged as (select ddl_log.acknowledge($1, $2) as entries)
        select entries, ops.audit('schema.acknowledge', $1::text, ops.audit_outcome(entries),
                                  jsonb_build_object('reason', $2::text, 'entries', entries)) from acknowledged`,
      values: [upTo, reason],
    });
    return Number(row?.['entries']);
  },
});
