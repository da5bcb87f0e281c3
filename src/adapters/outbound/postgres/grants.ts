import type { Grant } from '#src/application/checks/security/facts.ts';
import type { Row, SqlQuery } from './pool.ts';

/** What an extension brings is the business of whoever installed it. */
export const notOfExtension = (catalog: 'pg_class' | 'pg_proc', oid: string): string =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/** What is granted to anybody but the owner of the object, from the catalogue: every schema of the service, and the database. */
const GRANTS = `
  with granted as (
    select 'database' as kind, quote_ident(datname) as object, a.* from pg_database, aclexplode(datacl) a
     where datname = current_database() and a.grantee <> datdba
    union all
    select 'schema', nspname::text, a.* from pg_namespace, aclexplode(nspacl) a
     where nspname in ('ops', 'public', 'migration', 'ddl_log') and a.grantee <> nspowner
    union all
    select case relkind when 'S' then 'sequence' else 'relation' end, format('%I.%I', nspname, relname), a.*
      from pg_class c join pg_namespace n on n.oid = relnamespace, aclexplode(relacl) a
     where nspname in ('ops', 'public', 'migration', 'ddl_log') and a.grantee <> relowner and ${notOfExtension('pg_class', 'c.oid')}
    union all
    select 'function', regexp_replace(p.oid::regprocedure::text, ',', ', ', 'g'), a.*
      from pg_proc p join pg_namespace n on n.oid = pronamespace, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
     where nspname in ('ops', 'public', 'migration', 'ddl_log') and a.grantee <> proowner and ${notOfExtension('pg_proc', 'p.oid')}
  )
  select case g.grantee when 0 then 'PUBLIC' else pg_get_userbyid(g.grantee) end as role, g.kind, g.object,
         string_agg(lower(g.privilege_type) || case when g.is_grantable then '*' else '' end, ', ' order by g.privilege_type) as privileges
    from granted g group by g.grantee, g.kind, g.object
   order by role, array_position(array['database', 'schema', 'relation', 'sequence', 'function'], g.kind), g.object collate "C"`;

export async function readGrants(run: (query: SqlQuery) => Promise<Row[]>): Promise<Grant[]> {
  const rows = await run({ text: GRANTS, values: [] });
  return rows as unknown as Grant[];
}
