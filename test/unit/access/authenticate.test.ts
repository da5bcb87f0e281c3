import { describe, expect, it } from 'vitest';
import { apiKeyFormat, newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { makeAuthenticate } from '#src/application/access/authenticate.ts';
import { makeKeyUse } from '#src/application/access/key-use.ts';
import type { ApiKeyStore, KnownKey } from '#src/application/access/ports.ts';
import type { Principal } from '#src/domain/access/principal.ts';

const KNOWN: KnownKey = { keyId: '01a1fd10-8595-7880-ad4f-d8341176a25f', organizationId: 'org' };

function setUp(keys: Record<string, KnownKey>) {
  const looked: string[] = [];
  const used: string[] = [];
  const known = new Map<string, Principal>();
  const store: ApiKeyStore = {
    find: async (hash) => {
      looked.push(hash);
      return await Promise.resolve(keys[hash]);
    },
    touch: async () => await Promise.resolve(),
  };
  const authenticate = makeAuthenticate({
    format: apiKeyFormat,
    keys: store,
    known,
    onUse: (id) => used.push(id),
  });
  return { authenticate, looked, used, known };
}

const hashOf = (key: string): string => apiKeyFormat.hash(key) ?? expect.fail('not a key');

describe('authenticate', () => {
  it('[SEC-5] knows a key by its hash and notes its use', async () => {
    const key = newApiKey();
    const { authenticate, looked, used } = setUp({ [hashOf(key)]: KNOWN });
    expect(await authenticate(key)).toEqual({ actor: `api_key:${KNOWN.keyId}`, organizationId: 'org' });
    expect(looked).toEqual([hashOf(key)]);
    expect(used).toEqual([KNOWN.keyId]);
  });

  it('asks the database once while the cache remembers, and notes every use', async () => {
    const key = newApiKey();
    const { authenticate, looked, used, known } = setUp({ [hashOf(key)]: KNOWN });
    await authenticate(key);
    await authenticate(key);
    expect(looked).toHaveLength(1);
    expect(used).toHaveLength(2);
    known.clear();
    await authenticate(key);
    expect(looked).toHaveLength(2);
  });

  it('refuses an unknown key', async () => {
    await expect(setUp({}).authenticate(newApiKey())).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it.for(['', 'dfk_', 'nonsense', newApiKey().slice(0, -1), `x${newApiKey()}`, mistyped(newApiKey())])(
    'refuses the malformed key %j without asking the database',
    async (key) => {
      const { authenticate, looked } = setUp({});
      await expect(authenticate(key)).rejects.toMatchObject({ code: 'unauthenticated' });
      expect(looked).toEqual([]);
    },
  );
});

describe('API key format', () => {
  it('never repeats', () => {
    expect(new Set(Array.from({ length: 1000 }, newApiKey)).size).toBe(1000);
  });

  it('is a prefix, 43 characters of secret and 6 of checksum', () => {
    expect(newApiKey()).toMatch(/^dfk_[\w-]{49}$/);
  });
});

describe('use of keys', () => {
  it('[ARC-5] is written once a key, in one batch', async () => {
    const touched: (readonly string[])[] = [];
    const use = makeKeyUse(
      {
        find: async () => await Promise.resolve(undefined),
        touch: async (ids) => void (await Promise.resolve(touched.push(ids))),
      },
      () => {},
    );
    use.note('a');
    use.note('b');
    use.note('a');
    await use.stop();
    expect(touched).toEqual([['a', 'b']]);
  });

  it('reports what could not be written and goes on', async () => {
    const errors: unknown[] = [];
    const gone = new Error('database gone');
    const use = makeKeyUse(
      { find: async () => await Promise.resolve(undefined), touch: async () => await Promise.reject(gone) },
      (error) => errors.push(error),
    );
    use.note('a');
    await use.stop();
    expect(errors).toEqual([gone]);
  });
});

/** The same key with its last character altered: a typing error that length cannot show. */
function mistyped(key: string): string {
  return `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`;
}
