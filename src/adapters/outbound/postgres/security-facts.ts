import type { DatabaseSecurity, RoleFacts } from '#src/application/checks/security/facts.ts';
import type { Pool } from 'pg';
import { notOfExtension, readGrants } from './grants.ts';
import { type Row, query } from './pool.ts';
import { STRONG_ATTRIBUTES } from './strong-attributes.ts';

const SCHEMAS = `array['ops', 'public', 'migration', 'ddl_log']`;

/** Those of PostgreSQL itself are its owner's, whoever that is. */
const ROLES = `
  select w.name, r.oid is null as missing,
    ${STRONG_ATTRIBUTES} as attributes,
    coalesce((select json_agg(quote_ident(g.rolname) order by g.rolname) from pg_auth_members m join pg_roles g on g.oid = m.roleid
       where m.member = r.oid), '[]') as member_of,
    coalesce((select json_agg(o.name order by o.name) from (
        select 'database ' || quote_ident(d.datname) as name from pg_database d where d.datdba = r.oid and d.datname = current_database()
        union all select 'schema ' || quote_ident(n.nspname) from pg_namespace n where n.nspowner = r.oid and n.nspname !~ '^pg_'
        union all select c.oid::regclass::text from pg_class c
          where c.relowner = r.oid and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and c.relnamespace::regnamespace::text !~ '^pg_'
        union all select p.oid::regprocedure::text from pg_proc p
          where p.proowner = r.oid and p.pronamespace::regnamespace::text !~ '^pg_') o), '[]') as owns,
    coalesce((select json_agg(p.place order by p.place) from (
        select 'schema ' || quote_ident(n.nspname) as place from pg_namespace n
          where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and has_schema_privilege(r.oid, n.oid, 'create')
        union all select 'database ' || quote_ident(d.datname) from pg_database d
          where d.datname = current_database() and has_database_privilege(r.oid, d.oid, 'create, temporary')) p), '[]') as creates_in,
    coalesce((select json_agg(c.oid::regclass order by c.oid::regclass::text) from pg_class c
       where c.relnamespace::regnamespace::text = any (${SCHEMAS}) and c.relkind in ('r', 'p', 'S') and ${notOfExtension('pg_class', 'c.oid')}
         and case c.relkind when 'S' then has_sequence_privilege(r.oid, c.oid, 'usage, select, update')
             else has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
               or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references') end), '[]') as tables
    from unnest($1::text[]) w (name) left join pg_roles r on r.rolname = w.name`;

const OBJECTS = `
  select
    (select coalesce(json_agg(json_build_object('name', c.oid::regclass, 'forced', c.relrowsecurity and c.relforcerowsecurity,
        'policies', (select coalesce(json_agg(json_build_object('name', quote_ident(p.polname), 'expressions',
              array_remove(array[pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)], null))
              order by p.polname), '[]')
            from pg_policy p where p.polrelid = c.oid and p.polpermissive)) order by c.oid::regclass::text), '[]')
       from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        and ${notOfExtension('pg_class', 'c.oid')}) as tables,
    (select coalesce(json_agg(c.oid::regclass order by c.oid::regclass::text), '[]') from pg_class c
      where c.relnamespace::regnamespace::text = 'ops' and c.relkind = 'v'
        and not coalesce(c.reloptions, '{}') && '{security_barrier=true,security_barrier=on,security_barrier}'
        and exists (select from pg_roles r where r.rolname = any ($1) and has_any_column_privilege(r.oid, c.oid, 'select'))) as leaky_views,
    (select coalesce(json_agg(json_build_object('name', p.oid::regprocedure, 'definer', p.prosecdef,
        'searchPath', (select substring(s from '^search_path=(.*)') from unnest(p.proconfig) s where s like 'search\\_path=%'),
        'open', has_function_privilege('public', p.oid, 'execute')) order by p.oid::regprocedure::text), '[]')
       from pg_proc p where p.pronamespace::regnamespace::text = any (${SCHEMAS})
        and ${notOfExtension('pg_proc', 'p.oid')}) as functions,
    (select coalesce(json_agg(x.privilege || ' on schema ' || quote_ident(n.nspname) order by n.nspname), '[]')
       from pg_namespace n, unnest('{usage,create}'::text[]) x (privilege)
      where n.nspname = any (${SCHEMAS}) and has_schema_privilege('public', n.oid, x.privilege)
        and not (n.nspname = 'public' and x.privilege = 'usage')) as public_schemas,
    (select coalesce(json_agg(json_build_object('says', format('%s on %s of %s to %s', g.privilege, g.kind, g.role, g.grantee),
        'mend', format('alter default privileges for role %s%s revoke %s on %s from %s;', g.role, g.place, g.privilege, g.kind, g.grantee))
        order by g.role, g.kind, g.grantee, g.privilege), '[]')
       from (
        select quote_ident(pg_get_userbyid(d.defaclrole)) as role,
               case a.grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee,
               case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' else 'schemas' end as kind,
               case d.defaclnamespace when 0 then '' else ' in schema ' || d.defaclnamespace::regnamespace::text end as place,
               lower(a.privilege_type) as privilege
          from pg_default_acl d, aclexplode(d.defaclacl) a where a.grantee <> d.defaclrole and d.defaclobjtype in ('r', 'S', 'f', 'n')
        -- What PostgreSQL grants where nothing is said.
        union all select quote_ident(o.rolname), 'PUBLIC', 'functions', '', 'execute' from pg_roles o
          where o.rolname = $2 and not exists (
            select from pg_default_acl d where d.defaclrole = o.oid and d.defaclnamespace = 0 and d.defaclobjtype = 'f')) g) as default_privileges,
    to_regnamespace('ddl_log') is not null as records_ddl,
    case when (select s.ssl from pg_stat_ssl s where s.pid = pg_backend_pid()) then 'tls'
         when inet_server_addr() is null or inet_server_addr() << '127.0.0.0/8' or inet_server_addr() = '::1' then 'local'
         else 'plain' end as connection,
    current_setting('password_encryption') as password_encryption`;

/** Reads what there is to know of rights, as the owner of the schema. @throws DomainError `database_unavailable` */
export async function readDatabaseSecurity(
  pool: Pool,
  names: Readonly<Record<keyof DatabaseSecurity['roles'], string>>,
): Promise<DatabaseSecurity> {
  const roles = await query(pool, { text: ROLES, values: [Object.values(names)] });
  const { owner, ...runtime } = names;
  const [objects] = await query(pool, { text: OBJECTS, values: [Object.values(runtime), owner] });
  if (!objects) throw new Error('PostgreSQL answered without a row.');
  const roleOf = (name: string): RoleFacts => toRole(roles.find((row) => row['name'] === name) ?? {});
  return {
    roles: {
      owner: roleOf(owner),
      api: roleOf(names.api),
      worker: roleOf(names.worker),
      readonly: roleOf(names.readonly),
    },
    missingRoles: roles.filter((row) => row['missing']).map((row) => row['name'] as string),
    grants: await readGrants(async (statement) => await query(pool, statement)),
    tables: objects['tables'] as DatabaseSecurity['tables'],
    leakyViews: objects['leaky_views'] as string[],
    functions: objects['functions'] as DatabaseSecurity['functions'],
    publicSchemas: objects['public_schemas'] as string[],
    defaultPrivileges: objects['default_privileges'] as DatabaseSecurity['defaultPrivileges'],
    recordsDdl: objects['records_ddl'] as boolean,
    connection: objects['connection'] as DatabaseSecurity['connection'],
    passwordEncryption: objects['password_encryption'] as string,
  };
}

const toRole = (row: Row): RoleFacts => ({
  name: row['name'] as string,
  attributes: row['attributes'] as string[],
  memberOf: row['member_of'] as string[],
  owns: row['owns'] as string[],
  createsIn: row['creates_in'] as string[],
  tables: row['tables'] as string[],
});
