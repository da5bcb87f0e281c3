import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { type NewApiKey, storeApiKey } from '#src/adapters/outbound/postgres/api-keys.ts';

export interface IssuedKey {
  /** Shown once, stored nowhere. */
  readonly key: string;
  readonly organizationId: string;
}

/** Makes a key for an organisation, which is made too if there is none of that name. */
export async function issueApiKey(options: Omit<NewApiKey, 'hash'>): Promise<IssuedKey> {
  const { key, hash } = newApiKey();
  const { organizationId } = await storeApiKey({ ...options, hash });
  return { key, organizationId };
}
