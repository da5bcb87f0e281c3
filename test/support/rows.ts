import { asAdmin } from './cluster.ts';
import type { TestDatabase } from './database.ts';

export type Row = Readonly<Record<string, unknown>>;
export type Rows = Readonly<Record<string, readonly Row[]>>;

/**
 * From the catalogue, so that a new table is among them by itself. A tally is summed up at any time, and when a key was last
 * used is written some time after.
 */
const STATEMENT = `
  select format('select json_build_object(%s) as all', string_agg(format(
           '%L, (select coalesce(json_agg(to_jsonb(t) - ''last_used_at'' order by to_jsonb(t)), ''[]'') from %1$s t where %s)',
           c.oid::regclass, coalesce(quote_ident(a.attname) || ' = $1::uuid', '$1::uuid is null')), ', ')) as text
    from pg_class c
    left join pg_attribute a on a.attrelid = c.oid and a.attname = case c.relname when 'organization' then 'id' else 'organization_id' end
   where c.relnamespace in ('ops'::regnamespace, 'public'::regnamespace)
     and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'tally'`;

/** Each table of the database with the rows of that organisation; none where no organisation is a column. */
export const rowsOf = async ({ urls }: TestDatabase, organizationId: string): Promise<Rows> =>
  await asAdmin(urls.admin, async (admin) => {
    await admin.query(`set search_path = ''`);
    const [statement] = (await admin.query<{ text: string }>(STATEMENT)).rows;
    const [found] = (await admin.query<{ all: Rows }>(statement?.text ?? '', [organizationId])).rows;
    return found?.all ?? {};
  });
