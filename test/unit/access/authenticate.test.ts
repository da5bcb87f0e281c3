import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { apiKeyFormat, newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { makeAuthenticate } from '#src/application/access/authenticate.ts';
import type { ApiKeyStore, KnownKey } from '#src/application/access/ports.ts';

const HOUR_MS = 3_600_000;
const KEY = newApiKey();
const PRINCIPAL = {
  actor: 'api_key:key',
  organizationId: 'org',
  role: 'auditor',
  permissions: new Set(['me:read', 'audit:read']),
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Over a database that has `KEY`, for an hour. */
function setUp() {
  const expiresAt = Date.now() + HOUR_MS;
  const looked: string[] = [];
  const used: string[] = [];
  const cache = new Map<string, KnownKey>();
  const keys: ApiKeyStore = {
    find: async (hash) => {
      looked.push(hash);
      const found = hash === KEY.hash && expiresAt > Date.now();
      if (!found) return await Promise.resolve(undefined);
      return {
        keyId: 'key',
        organizationId: 'org',
        role: 'auditor',
        scopes: ['me:read', 'audit:read', 'jobs:queue'],
        expiresAt,
      };
    },
    touch: async () => {},
  };
  const authenticate = makeAuthenticate({
    format: apiKeyFormat,
    keys,
    cache,
    onUse: ({ keyId }) => used.push(keyId),
  });
  return { authenticate, looked, used, cache };
}

it('[SEC-5] of a key only its SHA-256 is stored', () => {
  expect(KEY.hash).toBe(createHash('sha256').update(KEY.key).digest('hex'));
  expect(apiKeyFormat.hash(KEY.key)).toBe(KEY.hash);
});

describe('authenticate', () => {
  it('[SEC-5] knows a key by its hash and notes its use', async () => {
    const { authenticate, looked, used } = setUp();
    expect(await authenticate(KEY.key)).toEqual(PRINCIPAL);
    expect(looked).toEqual([KEY.hash]);
    expect(used).toEqual(['key']);
  });

  it('asks the database once while the cache remembers, and notes every use', async () => {
    const { authenticate, looked, used, cache } = setUp();
    await authenticate(KEY.key);
    expect(await authenticate(KEY.key)).toEqual(PRINCIPAL);
    expect(looked).toHaveLength(1);
    expect(used).toHaveLength(2);
    cache.clear();
    await authenticate(KEY.key);
    expect(looked).toHaveLength(2);
  });

  it('refuses a key that expires while the cache remembers it', async () => {
    const { authenticate } = setUp();
    await authenticate(KEY.key);
    vi.advanceTimersByTime(HOUR_MS);
    expect(authenticate.known(KEY.key)).toBeUndefined();
    await expect(authenticate(KEY.key)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('refuses an unknown key', async () => {
    await expect(setUp().authenticate(newApiKey().key)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it.for(['', 'dfk_', 'nonsense', KEY.key.slice(0, -1), `x${KEY.key}`, mistyped(KEY.key)])(
    'refuses the malformed key %j without asking the database',
    async (key) => {
      const { authenticate, looked } = setUp();
      expect(authenticate.known(key)).toBeUndefined();
      await expect(authenticate(key)).rejects.toMatchObject({ code: 'unauthenticated' });
      expect(looked).toEqual([]);
    },
  );
});

it('a key is known without the database once it has been looked up, and that is a use', async () => {
  const { authenticate, looked, used } = setUp();
  expect(authenticate.known(KEY.key)).toBeUndefined();
  expect([looked, used]).toEqual([[], []]);
  await authenticate(KEY.key);
  expect(authenticate.known(KEY.key)).toEqual(PRINCIPAL);
  expect(looked).toHaveLength(1);
  expect(used).toHaveLength(2);
});

describe('API key format', () => {
  it('never repeats', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newApiKey().key)).size).toBe(1000);
  });

  it('is a prefix, 43 characters of secret and 6 of checksum', () => {
    expect(newApiKey().key).toMatch(/^dfk_[\w-]{49}$/);
  });

  it('gives the hash by which a new key is found', () => {
    const { key, hash } = newApiKey();
    expect(apiKeyFormat.hash(key)).toBe(hash);
  });
});

/** The same key with its last character altered: a typing error that length cannot show. */
function mistyped(key: string): string {
  return `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`;
}
