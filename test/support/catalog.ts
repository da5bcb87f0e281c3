import type { Client } from 'pg';

/**
 * What a database consists of, as sorted lines of text that two states can be compared by: schemas, relations, columns,
 * constraints, indexes, views, functions, triggers, policies, enums, extensions, comments, owners and grants.
 */
export async function catalogOf(client: Pick<Client, 'query'>): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(CATALOG);
  return rows.map(({ line }) => line).toSorted();
}

const CATALOG = `
with space as (
  select oid, nspname, nspowner, nspacl from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
), relation as (
  select c.* from pg_class c join space on space.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
)
select format('schema %s owner %s grants %s', nspname, nspowner::regrole, nspacl) as line from space
union all
select format('relation %s kind %s owner %s grants %s options %s security %s %s definition %s', oid::regclass, relkind,
              relowner::regrole, relacl, reloptions, relrowsecurity, relforcerowsecurity,
              case when relkind in ('v', 'm') then pg_get_viewdef(oid) end) from relation
union all
select format('column %s %s.%s %s not null %s default %s identity %s generated %s collation %s grants %s', a.attnum,
              a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
              pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attacl)
  from pg_attribute a join relation on relation.oid = a.attrelid
       left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attnum > 0 and not a.attisdropped
union all
select format('constraint %s on %s %s', conname, conrelid::regclass, pg_get_constraintdef(c.oid))
  from pg_constraint c join space on space.oid = c.connamespace
union all
select format('index %s', pg_get_indexdef(indexrelid)) from pg_index join relation on relation.oid = indrelid
union all
select format('function %s owner %s grants %s', pg_get_functiondef(p.oid), proowner::regrole, proacl)
  from pg_proc p join space on space.oid = p.pronamespace where p.prokind in ('f', 'p')
union all
select format('trigger %s', pg_get_triggerdef(t.oid)) from pg_trigger t join relation on relation.oid = t.tgrelid
 where not tgisinternal
union all
select format('policy %s', to_jsonb(p)) from pg_policies p
union all
select format('enum %s %s', enumtypid::regtype, string_agg(enumlabel, ',' order by enumsortorder))
  from pg_enum group by enumtypid
union all
select format('extension %s %s', extname, extversion) from pg_extension
union all
select format('default grants of %s in %s on %s: %s', defaclrole::regrole, defaclnamespace, defaclobjtype, defaclacl)
  from pg_default_acl
union all
select format('comment on %s %s: %s', o.type, o.identity, description)
  from pg_description, pg_identify_object(classoid, objoid, objsubid) o
 where o.schema in (select nspname from space) or o.identity in (select nspname from space)`;
