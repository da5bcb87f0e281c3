import type { ApiKeyAdministration } from '#src/application/access/ports.ts';
import type { ApiKey } from '#src/domain/access/api-key.ts';
import { fixed, toTime } from './fixed-statement.ts';
import type { Row } from './pool.ts';

const toKey = (row: Row): ApiKey => ({
  id: row['id'] as ApiKey['id'],
  name: row['name'] as ApiKey['name'],
  role: row['role'] as ApiKey['role'],
  scopes: row['scopes'] as ApiKey['scopes'],
  createdBy: row['created_by'] as ApiKey['createdBy'],
  createdAt: toTime(row['created_at']),
  expiresAt: toTime(row['expires_at']),
  revokedAt: row['revoked_at'] === null ? null : toTime(row['revoked_at']),
  lastUsedAt: row['last_used_at'] === null ? null : toTime(row['last_used_at']),
});

const idIfAny = (id: unknown): string | undefined => (id as string | null) ?? undefined;

const createKey = fixed(
  'create_api_key',
  `select ops.create_api_key($1, decode($2, 'hex'), make_interval(days => $3), $4, $5)`,
  5,
  (id) => id as string,
);
const rotateKey = fixed(
  'rotate_api_key',
  `select ops.rotate_api_key($1, decode($2, 'hex'), make_interval(days => $3), make_interval(secs => 3600 * $4::float8))`,
  4,
  idIfAny,
);
const revokeKey = fixed('revoke_api_key', 'select ops.revoke_api_key($1)', 1, Boolean);
const findKey = fixed('find_api_key', 'select to_json(k) from ops.api_keys k where id = $1', 1, (row) =>
  row === null ? undefined : toKey(row as Row),
);
const listKeys = fixed(
  'list_api_keys',
  `select coalesce(json_agg(k), '[]') from (
     select * from ops.api_keys where id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      order by id desc limit $2::integer) k`,
  2,
  (list) => (list as Row[]).map(toKey),
);
const organizationName = fixed('organization_name', 'select name from ops.organizations', 0, idIfAny);

export const postgresApiKeyAdministration: ApiKeyAdministration = {
  create: ({ name, hash, lifetimeDays, role, scopes }) => createKey([name, hash, lifetimeDays, role, scopes]),
  rotate: ({ id, hash, lifetimeDays, overlapHours }) => rotateKey([id, hash, lifetimeDays, overlapHours]),
  revoke: (id) => revokeKey([id]),
  findKey: (id) => findKey([id]),
  listKeys: (after, limit) => listKeys([after, limit]),
  organizationName: () => organizationName([]),
};
