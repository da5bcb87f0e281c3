import { setImmediate as turn } from 'node:timers/promises';
import { limitLookUps } from '#src/adapters/inbound/http/key-look-ups.ts';
import { apiKeyFormat, newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { makeAuthenticate } from '#src/application/access/authenticate.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import type { FastifyReply } from 'fastify';
import { expect, it, onTestFinished, vi } from 'vitest';
import { JOB, principal, testApi } from './setup.ts';

const limits = { authenticatedPerMinute: 1000, anonymousPerMinute: 20 };

/** An API that remembers no key, so that it looks each one up, and how often it did. */
async function lookingUp(goodKeys: readonly { readonly hash: string }[], fault?: Error) {
  const good = new Set(goodKeys.map(({ hash }) => hash));
  const looked: string[] = [];
  const authenticate = makeAuthenticate({
    format: apiKeyFormat,
    keys: {
      async find(hash) {
        looked.push(hash);
        await turn();
        if (fault) throw fault;
        if (!good.has(hash)) return undefined;
        return { keyId: hash, organizationId: 'acme', role: 'admin', scopes: null, expiresAt: Infinity };
      },
      touch: async () => {},
    },
    cache: { get: () => undefined, set: () => {} },
    onUse: () => {},
  });
  const { request } = await testApi({ options: { limits }, dependencies: { authenticate } });
  const ask = async ({ key }: { readonly key: string }) =>
    await request({ url: `/v1/jobs/${JOB.id}`, headers: { authorization: `Bearer ${key}` } });
  return { looked, ask };
}

const keys = (count: number) => Array.from({ length: count }, newApiKey);

it('[SEC-8] unknown keys of an address cost the database no more look-ups than its limit', async () => {
  const { looked, ask } = await lookingUp([]);
  const answers = [];
  for (const key of keys(60)) answers.push(await ask(key));
  for (const answer of await Promise.all(keys(60).map(ask))) answers.push(answer);
  const statuses = answers.map(({ statusCode }) => statusCode);
  expect(statuses).toEqual([...Array<number>(20).fill(401), ...Array<number>(100).fill(429)]);
  expect(looked).toHaveLength(20);
  expect(answers.at(-1)?.headers).toMatchObject({
    'ratelimit-policy': '"anonymous";q=20;w=60',
    ratelimit: expect.stringMatching(/^"anonymous";r=0;t=(?:59|60)$/),
    'retry-after': expect.stringMatching(/^(?:59|60)$/),
  });
});

it('[SEC-8] the first uses of good keys do not count as failures, however many there are', async () => {
  const good = keys(60);
  const { looked, ask } = await lookingUp(good);
  for (const key of good) expect((await ask(key)).statusCode).toBe(200);
  expect(looked).toHaveLength(60);
});

it('requests with the same key share one look-up, and one permit', async () => {
  const [good, bad] = keys(2) as [Key, Key];
  const { looked, ask } = await lookingUp([good]);
  const statusesOf = async (key: Key) => {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await ask(key)));
    return new Set(answers.map(({ statusCode }) => statusCode));
  };
  expect(await statusesOf(good)).toEqual(new Set([200]));
  expect(await statusesOf(bad)).toEqual(new Set([401]));
  expect(looked).toHaveLength(2);
});

it('an outage of the database is no failure of the client', async () => {
  const { ask } = await lookingUp([], new DomainError('database_unavailable', 'Try again.'));
  for (const key of keys(30)) expect((await ask(key)).statusCode).toBe(503);
});

it('[SEC-5] a look-up of a second ago is shared no more: what it found may be revoked by now', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const found = Promise.withResolvers<Principal>();
  const authenticate = vi.fn<(key: string) => Promise<Principal>>(async () => await found.promise);
  const lookUp = limitLookUps(Object.assign(authenticate, { known: () => undefined }), 20);
  const ask = async () => await lookUp('key', '192.0.2.1', {} as FastifyReply);
  const asked = [ask()];
  vi.advanceTimersByTime(999);
  asked.push(ask());
  expect(authenticate).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1);
  asked.push(ask(), ask());
  expect(authenticate).toHaveBeenCalledTimes(2);
  found.resolve(principal('api_key:a'));
  expect(new Set(await Promise.all(asked))).toEqual(new Set([principal('api_key:a')]));
});

type Key = ReturnType<typeof newApiKey>;
