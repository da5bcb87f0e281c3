import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { apiKeyFormat, newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { makeAuthenticate } from '#src/application/access/authenticate.ts';
import type { ApiKeyStore, Cache, KnownKey } from '#src/application/access/ports.ts';

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

/** Over a database that has `KEY`, for an hour, and takes so long to say so. */
function setUp({
  cache = new Map<string, KnownKey>(),
  takesMs = 0,
}: { cache?: Cache<KnownKey> & { clear(): void }; takesMs?: number } = {}) {
  const expiresAt = Date.now() + HOUR_MS;
  const looked: string[] = [];
  const used: string[] = [];
  const keys: ApiKeyStore = {
    find: async (hash) => {
      looked.push(hash);
      const found = hash === KEY.hash && expiresAt > Date.now();
      if (takesMs > 0) await new Promise((fulfil) => setTimeout(fulfil, takesMs));
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

describe('[SEC-5] a key that may have been revoked since its look-up began is not remembered longer for it', () => {
  const TTL_MS = 4000;
  // For the cache a start at 0 is none.
  beforeEach(() => void vi.advanceTimersByTime(1));

  it.for([
    [0, 4000],
    [3000, 1000],
    [4000, 0],
  ] as const)('that took %i ms: for %i ms more', async ([takesMs, leftMs]) => {
    const { authenticate } = setUp({ cache: cacheFor(TTL_MS), takesMs });
    const authenticated = authenticate(KEY.key);
    await vi.advanceTimersByTimeAsync(takesMs);
    expect(await authenticated).toEqual(PRINCIPAL);
    vi.advanceTimersByTime(leftMs);
    expect(authenticate.known(KEY.key)).toEqual(PRINCIPAL);
    vi.advanceTimersByTime(1);
    expect(authenticate.known(KEY.key)).toBeUndefined();
  });

  it('that took longer: not at all', async () => {
    const { authenticate } = setUp({ cache: cacheFor(TTL_MS), takesMs: TTL_MS + 1 });
    const authenticated = authenticate(KEY.key);
    await vi.advanceTimersByTimeAsync(TTL_MS + 1);
    expect(await authenticated).toEqual(PRINCIPAL);
    expect(authenticate.known(KEY.key)).toBeUndefined();
  });
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

/** As in production, by the clock of the test. */
const cacheFor = (ttl: number) =>
  new LRUCache<string, KnownKey>({
    max: 10,
    ttl,
    ttlResolution: 0,
    perf: { now: () => performance.now() },
  });

/** The same key with its last character altered: a typing error that length cannot show. */
function mistyped(key: string): string {
  return `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`;
}
