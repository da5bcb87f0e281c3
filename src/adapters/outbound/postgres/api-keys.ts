import type { ApiKeyStore, FoundKey } from '#src/application/access/ports.ts';
import type { Role } from '#src/domain/access/permission.ts';
import type { Pool } from 'pg';
import { type SqlQuery, query } from './pool.ts';
import { withPool } from './with-pool.ts';

export const postgresApiKeys = (pool: Pool): ApiKeyStore => ({
  async find(hash) {
    const [row] = await query(pool, {
      name: 'authenticate_api_key',
      text: `select key_id, organization_id, expires_at, role, scopes from ops.authenticate_api_key(decode($1, 'hex'))`,
      values: [hash],
    });
    return (
      row && {
        keyId: row['key_id'] as string,
        organizationId: row['organization_id'] as string,
        role: row['role'] as FoundKey['role'],
        scopes: row['scopes'] as FoundKey['scopes'],
        expiresAt: Date.parse(row['expires_at'] as string),
      }
    );
  },

  async touch(uses) {
    await query(pool, {
      name: 'touch_api_keys',
      text: 'select ops.touch_api_keys($1, $2)',
      values: [uses.map(({ keyId }) => keyId), uses.map(({ organizationId }) => organizationId)],
    });
  },
});

/** A name of an organisation has one live key. */
export interface ApiKeyName {
  /** As the owner of the schema. */
  readonly databaseUrl: string;
  /** How long to wait for the server. */
  readonly startTimeoutMs?: number | undefined;
  /** By name. */
  readonly organization: string;
  readonly name: string;
}

export interface NewApiKey extends ApiKeyName {
  /** SHA-256 of the key in hex. */
  readonly hash: string;
  readonly role: Role;
  /** At most 90 days. */
  readonly lifetimeMs: number;
}

/** Stores a new key and revokes the one before; the organisation is made if there is none. */
export async function storeApiKey(key: NewApiKey): Promise<{ organizationId: string }> {
  const [row] = await asOwner(key, {
    text: `with organization as materialized (select ops.create_organization($1) as id)
       select id as organization_id, ops.issue_api_key(id, $2, decode($3, 'hex'), make_interval(secs => $4), $5) from organization`,
    values: [key.organization, key.name, key.hash, key.lifetimeMs / 1000, key.role],
  });
  if (!row) throw new Error('PostgreSQL stored the key without naming its organisation.');
  return { organizationId: row['organization_id'] as string };
}

/** Revokes the live key of that name. Whether there was one. */
export async function revokeApiKey(key: ApiKeyName): Promise<boolean> {
  const revoked = await asOwner(key, {
    text: `select revoked from ops.find_organization($1) o (id), ops.revoke_api_keys(o.id, $2) revoked where o.id is not null`,
    values: [key.organization, key.name],
  });
  return revoked.length > 0;
}

const asOwner = async ({ databaseUrl: url, startTimeoutMs }: ApiKeyName, statement: SqlQuery) =>
  await withPool({ url, startTimeoutMs }, 'dragonfly-keys', async (pool) => await query(pool, statement));
