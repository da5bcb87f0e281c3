/** SEC-12: by what a role of pg_roles `r` passes by the rights that it is given, as text[]. */
export const STRONG_ATTRIBUTES = `array(
  select a.name from (values ('superuser', r.rolsuper), ('bypassrls', r.rolbypassrls), ('createrole', r.rolcreaterole),
    ('createdb', r.rolcreatedb), ('replication', r.rolreplication)) a (name, has) where a.has order by a.name)`;
