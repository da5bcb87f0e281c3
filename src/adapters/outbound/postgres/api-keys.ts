import type { ApiKeyStore } from '#src/application/access/ports.ts';
import { Client, type Pool } from 'pg';
import { query } from './pool.ts';

export const postgresApiKeys = (pool: Pool): ApiKeyStore => ({
  async find(hash) {
    const [row] = await query(pool, {
      name: 'authenticate_api_key',
      text: `select key_id, organization_id, expires_at from ops.authenticate_api_key(decode($1, 'hex'))`,
      values: [hash],
    });
    return (
      row && {
        keyId: row['key_id'] as string,
        organizationId: row['organization_id'] as string,
        expiresAt: Date.parse(row['expires_at'] as string),
      }
    );
  },

  async touch(keyIds) {
    await query(pool, { name: 'touch_api_keys', text: 'select ops.touch_api_keys($1)', values: [keyIds] });
  },
});

export interface NewApiKey {
  /** As the owner of the schema. */
  readonly databaseUrl: string;
  /** By name; made if there is none. */
  readonly organization: string;
  /** A name has one live key: the one before is revoked. */
  readonly name: string;
  /** SHA-256 of the key in hex. */
  readonly hash: string;
  /** At most 90 days. */
  readonly lifetimeMs: number;
}

/** Stores a new key. */
export async function storeApiKey(key: NewApiKey): Promise<{ organizationId: string }> {
  const client = new Client({ connectionString: key.databaseUrl, application_name: 'dragonfly-keys' });
  await client.connect();
  try {
    const { rows } = await client.query<{ organization_id: string }>(
      `with organization as materialized (select ops.create_organization($1) as id)
       select id as organization_id, ops.issue_api_key(id, $2, decode($3, 'hex'), make_interval(secs => $4)) from organization`,
      [key.organization, key.name, key.hash, key.lifetimeMs / 1000],
    );
    return { organizationId: rows[0]?.organization_id ?? '' };
  } finally {
    await client.end();
  }
}
