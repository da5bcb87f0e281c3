import type { LiveKey } from '#src/application/checks/security/facts.ts';
import type { Pool } from 'pg';
import { organizationsWithKeys } from './organizations.ts';

const DAYS = (interval: string): string => `extract(epoch from ${interval})::float8 / 86400`;

const KEYS = `
  select o.name as organization, k.name, k.role, k.scopes is not null as narrowed,
         ${DAYS('clock_timestamp() - k.created_at')} as age,
         case when isfinite(k.expires_at) then ${DAYS('k.expires_at - k.created_at')} end as lifetime,
         ${DAYS('clock_timestamp() - k.last_used_at')} as unused,
         case when isfinite(k.expires_at) then ${DAYS('k.expires_at - clock_timestamp()')} end as remaining
    from public.api_key k join public.organization o on o.id = k.organization_id
   where k.organization_id = ops.current_organization() and k.revoked_at is null and k.expires_at > clock_timestamp()
   order by k.id`;

/** The live keys of all organisations, as the owner. */
export async function readLiveKeys(pool: Pool): Promise<LiveKey[]> {
  const ids = await organizationsWithKeys(pool);
  const client = await pool.connect();
  try {
    await client.query('begin read only');
    const keys: LiveKey[] = [];
    for (const id of ids) {
      await client.query('select ops.act_for($1)', [id]);
      const { rows } = await client.query<KeyRow>(KEYS);
      keys.push(...rows.map(toKey));
    }
    await client.query('rollback');
    return keys;
  } finally {
    client.release();
  }
}

interface KeyRow extends Pick<LiveKey, 'organization' | 'name' | 'role' | 'narrowed'> {
  readonly age: number;
  readonly lifetime: number | null;
  readonly unused: number | null;
  readonly remaining: number | null;
}

const toKey = ({
  organization,
  name,
  role,
  narrowed,
  age,
  lifetime,
  unused,
  remaining,
}: KeyRow): LiveKey => ({
  organization,
  name,
  role,
  narrowed,
  ageDays: Math.floor(age),
  lifetimeDays: lifetime === null ? null : Math.ceil(lifetime),
  unusedDays: unused === null ? null : Math.floor(unused),
  endsInDays: remaining === null ? null : Math.floor(remaining),
});
