import type { Pool } from 'pg';
import { query } from './pool.ts';

/**
 * Policies show organisations one by one (SEC-11). Each that made a key within the longest life of a key is in the audit log, which
 * keeps longer than that. One probe of an index for each.
 */
const ORGANIZATIONS = `
  with recursive known (id) as (
    (select organization_id from ops.audit_log where organization_id is not null order by organization_id limit 1)
    union all
    select (select l.organization_id from ops.audit_log l where l.organization_id > k.id order by l.organization_id limit 1)
      from known k where k.id is not null)
  select id from known where id is not null`;

/** The ids of organisations that have keys, or had some lately, as the owner. */
export async function organizationsWithKeys(pool: Pool): Promise<string[]> {
  const rows = await query(pool, { text: ORGANIZATIONS, values: [] });
  return rows.map((row) => row['id'] as string);
}

/** The id of the organisation of that name, as the owner. */
export async function findOrganization(pool: Pool, name: string): Promise<string | undefined> {
  const [row] = await query(pool, { text: 'select ops.find_organization($1) as id', values: [name] });
  return (row?.['id'] as string | null) ?? undefined;
}
