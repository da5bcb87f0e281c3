import { Client, escapeLiteral } from 'pg';
import { catalogSql } from '#src/adapters/outbound/postgres/catalog.ts';
import { END_OF_QUERY, stateSql } from '#src/adapters/outbound/postgres/verify-state.ts';
import { PARTITION } from '#src/application/schema/compare.ts';
import type { DatabaseUrls } from '#dev/database.ts';

const ROLES = ['owner', 'api', 'worker', 'readonly'] as const;

/** What PostgreSQL writes otherwise in another version, or the migrations make otherwise there. */
const OF_VERSION = `subject like 'text of %' or subject = 'function ops.uuid_v7()'`;

/** As JavaScript's, in PostgreSQL's way of writing. */
const neutral = (text: string): string =>
  `regexp_replace(${text}, '${PARTITION.source.replace(String.raw`\b`, String.raw`\m`).replace(String.raw`\b`, String.raw`\M`)}', '\\1_#', 'g')`;

/** Settings by which PostgreSQL writes definitions. */
const SETTINGS = `set local search_path = pg_catalog;
set local intervalstyle = postgres;
set local datestyle = iso;
set local timezone = utc;`;

/** Constraints NOT NULL are objects since PostgreSQL 18; before, and in any case, they are of the column. */
const LIVE = `catalog as (${catalogSql(`values ${ROLES.map((role) => `(:'${role}_role'::name, '{${role}}')`).join(', ')}`)}
), live as materialized (
  select distinct ${neutral("kind || ' ' || name")} as subject,
         md5(${neutral("coalesce(definition, '')")}) as definition
    from catalog where not (kind = 'constraint' and definition like 'NOT NULL %')
  union all
  select 'migration ' || a.name, coalesce(c.sha256, 'unknown') from migration.applied a left join migration.checksum c using (name)
)`;

const HEAD = `-- Made by \`npm run generate\` from the migrations; \`npm run check\` fails when it is stale. Not to be edited.
--
-- Whether a database is as the migrations make it, for who has only psql. As the owner of the schema; it only reads:
--
--   psql -X -f docs/database/verify_db_state.sql "$DATABASE_URL"
--
-- prints one line a fault and ends with 3, or \`ok\` and ends with 0. Roles of other names: -v api_role=NAME and so on. It compares what
-- \`dragonfly schema-check\` does, but shows no definitions: they are here as MD5. Two things are compared only on the PostgreSQL that
-- it was made on, and elsewhere have only to be there: the texts of views, and ops.uuid_v7(), which differ between versions.
\\set ON_ERROR_STOP on
\\set QUIET on
\\pset tuples_only on
\\pset format unaligned
\\pset pager off
${ROLES.map((role) => `\\if :{?${role}_role}\n\\else\n\\set ${role}_role dragonfly_${role}\n\\endif`).join('\n')}
`;

/** The query stands alone, so that a program can run it without what is psql's. */
export async function renderVerifyDbState(urls: DatabaseUrls): Promise<string> {
  const { state, major } = await stateOf(urls);
  return `${HEAD}
begin transaction read only;
${SETTINGS}
with ${LIVE}, expected (subject, definition) as (
  values
${state.map(({ subject, definition }) => `    (${escapeLiteral(subject)}, '${definition}')`).join(',\n')}
), compared as (
  select subject, definition from live except select subject, definition from expected
), fault (text) as (
  select 'missing: ' || subject from expected e where not exists (select from live l where l.subject = e.subject)
  union
  select 'unexpected: ' || subject from compared c
   where not exists (select from expected e where e.subject = c.subject) and subject not like 'extension %'
  union
  select 'changed: ' || subject from compared c
   where exists (select from expected e where e.subject = c.subject)
     and (current_setting('server_version_num')::integer / 10000 = ${major} or not (${OF_VERSION}))
), counted as materialized (
  select set_config('verify_db_state.faults', count(*)::text, true) as faults from fault
)
select text from fault union all select 'ok' from counted where faults = '0' order by text;
${END_OF_QUERY}
do $$
begin
  if current_setting('verify_db_state.faults') <> '0' then
    raise exception '% faults', current_setting('verify_db_state.faults');
  end if;
end $$;
rollback;
`;
}

async function stateOf(urls: DatabaseUrls) {
  const client = new Client({ connectionString: urls.owner });
  await client.connect();
  try {
    await client.query(`begin; ${SETTINGS}`);
    const names = Object.fromEntries(ROLES.map((role) => [role, new URL(urls[role]).username]));
    const query = `with ${LIVE} select subject, definition from live order by subject collate "C", definition`;
    const { rows: state } = await client.query<{ subject: string; definition: string }>(
      stateSql(query, names),
    );
    const { rows } = await client.query<{ major: number }>(
      `select current_setting('server_version_num')::integer / 10000 as major`,
    );
    return { state, major: rows[0]?.major };
  } finally {
    await client.end();
  }
}
