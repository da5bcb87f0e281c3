import type { Row, SqlQuery } from './pool.ts';

export interface Grant {
  /** The role's name, or `PUBLIC`. */
  readonly role: string;
  readonly kind: 'database' | 'schema' | 'relation' | 'function' | 'sequence';
  readonly object: string;
  readonly privileges: string;
}

/** What is granted to anybody but the owner of the object, from the catalogue: every schema of the service, and the database. */
const GRANTS = `
  with granted as (
    select 'database' as kind, quote_ident(datname) as object, a.* from pg_database, aclexplode(datacl) a
     where datname = current_database() and a.grantee <> datdba
    union all
    select 'schema', nspname::text, a.* from pg_namespace, aclexplode(nspacl) a
     where nspname in ('ops', 'public', 'migration') and a.grantee <> nspowner
    union all
    select case relkind when 'S' then 'sequence' else 'relation' end, format('%I.%I', nspname, relname), a.*
      from pg_class join pg_namespace n on n.oid = relnamespace, aclexplode(relacl) a
     where nspname in ('ops', 'public', 'migration') and a.grantee <> relowner
    union all
    select 'function', regexp_replace(p.oid::regprocedure::text, ',', ', ', 'g'), a.*
      from pg_proc p join pg_namespace n on n.oid = pronamespace, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
     where nspname in ('ops', 'public', 'migration') and a.grantee <> proowner
  )
  select case g.grantee when 0 then 'PUBLIC' else pg_get_userbyid(g.grantee) end as role, g.kind, g.object,
         string_agg(lower(g.privilege_type), ', ' order by g.privilege_type) as privileges
    from granted g group by g.grantee, g.kind, g.object
   order by role, array_position(array['database', 'schema', 'relation', 'sequence', 'function'], g.kind), g.object collate "C"`;

export async function readGrants(run: (query: SqlQuery) => Promise<Row[]>): Promise<Grant[]> {
  const rows = await run({ text: GRANTS, values: [] });
  return rows as unknown as Grant[];
}
