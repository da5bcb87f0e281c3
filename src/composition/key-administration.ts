import { randomBytes } from 'node:crypto';
import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { postgresApiKeyAdministration } from '#src/adapters/outbound/postgres/api-key-administration.ts';
import { findOrganization, organizationsWithKeys } from '#src/adapters/outbound/postgres/organizations.ts';
import { postgresTransactions } from '#src/adapters/outbound/postgres/transactions.ts';
import { type CommandDatabase, withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import {
  type ApiKeyUseCases,
  type IssuedKey,
  type RotationRequest,
  apiKeyUseCases,
} from '#src/application/access/api-keys.ts';
import type { RequestContext } from '#src/application/context.ts';
import type { ApiKey } from '#src/domain/access/api-key.ts';
import { permissionsOf } from '#src/domain/access/permission.ts';
import type { Pool } from 'pg';

const PAGE = 100;

export interface ListedKey {
  /** By name. */
  readonly organization: string;
  readonly key: ApiKey;
}

/** The keys of one organisation, or of all, as the owner of the schema; those that have ended too, as long as they are kept. */
export const listApiKeys = async (
  database: CommandDatabase,
  organization: string | undefined,
): Promise<ListedKey[]> =>
  await withPool(database, 'dragonfly-keys', async (pool) => {
    const useCases = useCasesOf(pool);
    const ids =
      organization === undefined ? await organizationsWithKeys(pool) : [await idOf(pool, organization)];
    const listed: ListedKey[] = [];
    for (const id of ids) {
      const context = contextOf(database, id);
      const name = organization ?? (await useCases.organizationName(context));
      for await (const key of allKeys(useCases, context)) listed.push({ organization: name, key });
    }
    return listed;
  });

/** A key with the rights of another, which ends after the overlap. @throws DomainError as the use case does */
export const rotateApiKey = async (
  database: CommandDatabase,
  organization: string,
  request: RotationRequest,
): Promise<IssuedKey> =>
  await withPool(database, 'dragonfly-keys', async (pool) => {
    const context = contextOf(database, await idOf(pool, organization));
    // Whoever owns the schema gives what any administrator can.
    const by = { ...context, role: 'admin', permissions: permissionsOf('admin', null) } as const;
    return await useCasesOf(pool).rotateKey(context, by, request);
  });

async function* allKeys(useCases: ApiKeyUseCases, context: RequestContext): AsyncGenerator<ApiKey> {
  for (let after: string | undefined; ;) {
    const { keys, next } = await useCases.listKeys(context, after, PAGE);
    yield* keys;
    if (next === undefined) return;
    after = next;
  }
}

const useCasesOf = (pool: Pool): ApiKeyUseCases =>
  apiKeyUseCases({
    transactions: postgresTransactions(pool),
    store: postgresApiKeyAdministration,
    newSecret: newApiKey,
  });

/** As the audit log names whoever comes to the database without a key. */
const contextOf = ({ url }: CommandDatabase, organizationId: string): RequestContext => ({
  actor: `role:${decodeURIComponent(new URL(url).username)}`,
  organizationId,
  traceId: randomBytes(16).toString('hex'),
});

async function idOf(pool: Pool, organization: string): Promise<string> {
  const id = await findOrganization(pool, organization);
  if (id === undefined) throw new Error(`There is no organisation ${organization}.`);
  return id;
}
