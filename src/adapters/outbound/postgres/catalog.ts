import type { SchemaObject } from '#src/application/schema/compare.ts';
import type { Client } from 'pg';

/**
 * What a database consists of: schemas, relations, columns, constraints, indexes, functions, aggregates, triggers, rules, policies,
 * types, sequences, extensions, comments, owners and grants. Not the record of direct DDL, which is no migration's.
 */
export async function schemaObjects(client: Pick<Client, 'query'>): Promise<SchemaObject[]> {
  return (await client.query<SchemaObject>(catalogSql())).rows;
}

/** The same as sorted lines of text that two states can be compared by. */
export async function catalogOf(client: Pick<Client, 'query'>): Promise<string[]> {
  const objects = await schemaObjects(client);
  return objects.map(({ kind, name, definition }) => `${kind} ${name} ${definition}`).toSorted();
}

const roleName = (name: string): string =>
  `coalesce((select c.role from called c where c.name = ${name}), ${name}::text)`;

/** An access list in one order, with what stands for no list. Not what every owner may do since PostgreSQL 17. */
const grants = (list: string, owner?: string): string => `(
    select string_agg(format('%s=%s%s/%s', case g.grantee when 0 then 'PUBLIC' else ${roleName('pg_get_userbyid(g.grantee)')} end,
                             g.privilege_type, case when g.is_grantable then '*' end, ${roleName('pg_get_userbyid(g.grantor)')}), ' '
                      order by g.grantee <> 0, ${roleName('pg_get_userbyid(g.grantee)')} collate "C", g.privilege_type)
      from aclexplode(${list}) g${owner === undefined ? '' : ` where not (g.grantee = ${owner} and g.privilege_type = 'MAINTAIN')`})`;

const owner = (oid: string): string => roleName(`pg_get_userbyid(${oid})`);

/** With a query that tells what a role is called there, for those that are called otherwise elsewhere. */
export const catalogSql = (called = 'select null::name, null::text where false'): string => `
with called (name, role) as (
  ${called}
), space as (
  select oid, nspname, nspowner, nspacl from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'ddl_log')
), relation as (
  select c.*, format('%I.%I', s.nspname, c.relname) as name, case when c.relkind = 'S' then 's'::"char" else 'r' end as acl_kind,
         case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
                        else 'table' end as kind,
         case when c.relkind = 'v' then format('create or replace view %I.%I%s as %s', s.nspname, c.relname,
                (select format(' with (%s)', string_agg(o, ', ')) from unnest(c.reloptions) o), pg_get_viewdef(c.oid)) end as mend
    from pg_class c join space s on s.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
), routine as (
  select p.*, p.oid::regprocedure::text as name, case p.prokind when 'a' then 'aggregate' else 'function' end as kind
    from pg_proc p join space on space.oid = p.pronamespace where p.prokind in ('f', 'p', 'a')
), own_type as (
  select t.*, t.oid::regtype::text as name, case t.typtype when 'd' then 'domain' else 'type' end as kind
    from pg_type t join space on space.oid = t.typnamespace
   where t.typtype in ('e', 'd', 'r') or exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c')
)
select 'schema' as kind, nspname::text as name, '' as definition, format('create schema %I;', nspname) as mend from space
union all select 'owner of schema', nspname, ${owner('nspowner')}, format('alter schema %I owner to %s;', nspname, nspowner::regrole) from space
union all select 'grants on schema', nspname, ${grants("coalesce(nspacl, acldefault('n', nspowner))", 'nspowner')}, null from space
union all
select kind, name, format('%s persistence %s options %s security %s %s', relkind, relpersistence, reloptions, relrowsecurity, relforcerowsecurity), mend
  from relation
union all select 'text of ' || kind, name, pg_get_viewdef(oid), mend from relation where relkind in ('v', 'm')
union all select 'owner of ' || kind, name, ${owner('relowner')}, format('alter %s %s owner to %s;', kind, name, relowner::regrole) from relation
union all
select 'grants on ' || kind, name, ${grants('coalesce(relacl, acldefault(acl_kind, relowner))', 'relowner')}, null
  from relation
union all
select 'column', format('%s.%I', r.name, a.attname),
       format('%s %s not null %s default %s identity %s generated %s collation %s grants %s', a.attnum, format_type(a.atttypid, a.atttypmod),
              a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation, ${grants('a.attacl')}), null
  from pg_attribute a join relation r on r.oid = a.attrelid
       left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attnum > 0 and not a.attisdropped
union all
select 'sequence values', format('%I.%I', s.schemaname, s.sequencename),
       format('%s from %s to %s by %s cycle %s', s.data_type, s.min_value, s.max_value, s.increment_by, s.cycle), null
  from pg_sequences s where s.schemaname in (select nspname from space)
union all
select 'constraint', format('%s on %s', conname, case when conrelid = 0 then contypid::regtype::text else conrelid::regclass::text end),
       format('%s validated %s', pg_get_constraintdef(c.oid), convalidated),
       case when conrelid <> 0 then format('alter table %s add constraint %I %s;', conrelid::regclass, conname, pg_get_constraintdef(c.oid)) end
  from pg_constraint c join space on space.oid = c.connamespace
union all
select 'index', indexrelid::regclass::text, format('%s valid %s', pg_get_indexdef(indexrelid), indisvalid),
       regexp_replace(pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX ', 'CREATE \\1INDEX CONCURRENTLY ') || ';'
  from pg_index join relation on relation.oid = indrelid
union all select kind, name, pg_get_functiondef(oid), pg_get_functiondef(oid) || ';' from routine where prokind <> 'a'
union all
select r.kind, r.name, format('%s %s final %s initially %s', a.aggtransfn, format_type(a.aggtranstype, null), a.aggfinalfn, a.agginitval), null
  from routine r join pg_aggregate a on a.aggfnoid = r.oid
union all
select 'owner of ' || kind, name, ${owner('proowner')}, format('alter %s %s owner to %s;', kind, name, proowner::regrole) from routine
union all select 'grants on ' || kind, name, ${grants("coalesce(proacl, acldefault('f', proowner))", 'proowner')}, null from routine
union all
select 'trigger', format('%s on %s', t.tgname, r.name), format('%s enabled %s', pg_get_triggerdef(t.oid), t.tgenabled),
       case t.tgenabled when 'O' then format('alter table %s enable trigger %I;', r.name, t.tgname)
                        when 'A' then format('alter table %s enable always trigger %I;', r.name, t.tgname) end
  from pg_trigger t join relation r on r.oid = t.tgrelid where not t.tgisinternal
union all
select 'rule', format('%s on %I.%I', u.rulename, u.schemaname, u.tablename), u.definition, null
  from pg_rules u where u.schemaname in (select nspname from space)
union all
select 'event trigger', e.evtname, format('%s %s %s enabled %s', e.evtevent, e.evttags, e.evtfoid::regproc, e.evtenabled), null
  from pg_event_trigger e where e.evtname not like 'ddl\\_log\\_%'
union all
select 'policy', format('%s on %I.%I', p.policyname, p.schemaname, p.tablename), (to_jsonb(p) || jsonb_build_object('roles', array(select ${roleName('r')} from unnest(p.roles) r)))::text, null
  from pg_policies p
union all
select 'enum', enumtypid::regtype::text, string_agg(enumlabel, ',' order by enumsortorder), null from pg_enum group by enumtypid
union all
select kind, name, format('%s not null %s default %s', format_type(typbasetype, typtypmod), typnotnull, typdefault), null
  from own_type where typtype = 'd'
union all
select 'composite type', t.name, coalesce(string_agg(format('%I %s collation %s', a.attname, format_type(a.atttypid, a.atttypmod),
         a.attcollation::regcollation), ', ' order by a.attnum), ''), null
  from own_type t left join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
 where t.typtype = 'c' group by t.name
union all
select 'range type', t.name, format('of %s collation %s canonical %s difference %s multirange %s', format_type(r.rngsubtype, null),
         r.rngcollation::regcollation, r.rngcanonical, r.rngsubdiff, format_type(r.rngmultitypid, null)), null
  from own_type t join pg_range r on r.rngtypid = t.oid
union all select 'owner of ' || kind, name, ${owner('typowner')}, format('alter %s %s owner to %s;', kind, name, typowner::regrole) from own_type
union all select 'grants on ' || kind, name, ${grants("coalesce(typacl, acldefault('T', typowner))", 'typowner')}, null from own_type
union all select 'extension', extname, extversion, null from pg_extension
union all
select 'default grants', format('of %s in %s on %s', ${owner('defaclrole')}, defaclnamespace::regnamespace, defaclobjtype), ${grants('defaclacl')}, null
  from pg_default_acl
union all
select 'comment', format('on %s %s', o.type, o.identity), description, null
  from pg_description, pg_identify_object(classoid, objoid, objsubid) o
 where o.schema in (select nspname from space) or o.identity in (select nspname from space)`;
