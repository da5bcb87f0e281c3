import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { testDatabase } from '#test/support/database.ts';
import { webhookTo } from '#test/support/jobs.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { type TestClient, testClient } from '#test/support/service.ts';

const database = await testDatabase();
const service = await dragonfly(database).serve('api', { DRAGONFLY_RATE_LIMIT_ANONYMOUS: '10000' });
const acme = await testClient(database, service.apiUrl);
const stranger = await testClient(database, service.apiUrl, 'stranger');

const statusWith = async (key: string, path = '/v1/me'): Promise<number> =>
  (await fetch(new URL(path, service.apiUrl), { headers: { authorization: `Bearer ${key}` } })).status;
const idOf = async (client: TestClient): Promise<string> => {
  const me = (await (await client.request('GET', '/v1/me')).json()) as { actor: string };
  return me.actor.replace('api_key:', '');
};
const logs = (): string => JSON.stringify(service.logs());

/** With a right checksum. */
function keyOf(secret: string): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(secret));
  return `dfk_${secret}${sum.toString('base64url')}`;
}

describe('[SEC-5] a key that is not good opens nothing', () => {
  const secret = randomBytes(32).toString('base64url');
  it.for([
    ['with a wrong checksum', acme.key.replace(/.{6}$/, 'AAAAAA')],
    ['with a right checksum that was never issued', keyOf(secret)],
    ['that is the stored hash', createHash('sha256').update(acme.key).digest('hex')],
    ['in other letters', acme.key.toUpperCase()],
    ['with more behind it', `${acme.key}A`],
    ['with a wild card', 'dfk_%'],
    ['that is SQL', "' or 1=1 --"],
  ])('%s', async ([, key]) => {
    expect(await statusWith(key ?? '')).toBe(401);
    expect(logs()).not.toContain(acme.key);
  });

  it('that has expired', async () => {
    const { key, hash } = newApiKey();
    await withPool({ url: database.urls.owner }, 'test', async (pool) =>
      query(pool, {
        text: `select ops.issue_api_key($1, 'expired', decode($2, 'hex'), interval '-1 second', 'admin')`,
        values: [acme.organizationId, hash],
      }),
    );
    expect(await statusWith(key)).toBe(401);
  });
});

async function timeOf(key: string): Promise<number> {
  const startedAt = performance.now();
  expect(await statusWith(key)).toBe(401);
  return performance.now() - startedAt;
}

it('[SEC-5] the time of a look-up does not tell how near a key is to a good one', async () => {
  const PAIRS = 300;
  const secret = acme.key.slice('dfk_'.length, -6);
  let slower = 0;
  for (let pair = 0; pair < PAIRS; pair += 1) {
    // Of the 43 characters 39 are those of a good key, or none are.
    const near = keyOf(`${secret.slice(0, -4)}${randomBytes(3).toString('base64url')}`);
    const far = keyOf(randomBytes(32).toString('base64url'));
    const times =
      pair % 2 === 0
        ? { near: await timeOf(near), far: await timeOf(far) }
        : { far: await timeOf(far), near: await timeOf(near) };
    if (times.near > times.far) slower += 1;
  }
  // As by tosses of a coin: noise of the machine hits both alike. Five standard deviations are once in two million runs.
  expect(Math.abs(slower - PAIRS / 2)).toBeLessThan(5 * Math.sqrt(PAIRS / 4));
});

describe('[SEC-3] [SEC-13] a client gets no right by saying that it has it', () => {
  it.for([
    ['an organisation', { organization_id: stranger.organizationId }],
    ['a creator', { created_by: 'api_key:somebody' }],
    ['a status', { status: 'completed' }],
    ['an id', { id: '019c1222-7c00-7d3b-9a54-3f1c6a2e8b90' }],
    ['a trace id', { trace_id: 'f'.repeat(32) }],
  ] as const)('%s in a job', async ([, more]) => {
    const response = await acme.request('POST', '/v1/jobs', { ...webhookTo('https://a.example'), ...more });
    expect(response.status).toBe(422);
  });

  it.for([
    ['an organisation', { organization_id: stranger.organizationId }],
    ['an id', { id: '019c1222-7c00-7d3b-9a54-3f1c6a2e8b90' }],
    ['a creator', { created_by: 'api_key:somebody' }],
    ['an end', { expires_at: '2099-01-01T00:00:00Z' }],
    ['a hash', { key_hash: '0'.repeat(64) }],
    ['a secret', { key: acme.key }],
    ['permissions', { permissions: ['jobs:read'] }],
  ] as const)('%s in a key', async ([, more]) => {
    const body = { name: 'mine', role: 'viewer', ...more };
    expect((await acme.request('POST', '/v1/api-keys', body)).status).toBe(422);
  });

  it.for([
    ['x-organization-id', (): string => stranger.organizationId],
    ['x-forwarded-user', (): string => 'admin'],
    ['x-role', (): string => 'admin'],
    ['x-http-method-override', (): string => 'DELETE'],
  ] as const)('the header %s', async ([name, value]) => {
    const response = await acme.request('GET', '/v1/me', undefined, { [name]: value() });
    expect(await response.json()).toMatchObject({ organization: { id: acme.organizationId }, role: 'admin' });
  });

  it('a role with fewer permissions, whatever it sends', async () => {
    const viewer = await testClient(database, service.apiUrl, 'acme', 'viewer');
    const id = await idOf(viewer);
    const attempts = [
      await viewer.request('POST', '/v1/api-keys', { name: 'mine', role: 'admin' }),
      await viewer.request('POST', `/v1/api-keys/${id}/rotate`, {}),
      await viewer.request('POST', '/v1/queues/webhook.deliver/pause'),
      await viewer.request('POST', '/v1/jobs', webhookTo('https://a.example')),
      await viewer.request('GET', '/v1/audit'),
    ];
    expect(attempts.map(({ status }) => status)).toEqual(attempts.map(() => 403));
    const denials = () => service.logs().filter(({ event }) => event === 'permission_denied');
    await expect.poll(denials).toHaveLength(attempts.length);
  });
});

it('[OBS-1] [SEC-4] nothing that a client sends becomes a line of the log', async () => {
  const forged = '"}\n{"level":"ERROR","message":"forged","event":"permission_denied"}';
  await acme.request('POST', '/v1/jobs', { type: forged, payload: forged });
  await acme.request('GET', `/v1/jobs/${encodeURIComponent(forged)}`);
  await acme.request('GET', '/v1/me', undefined, { 'user-agent': forged.replaceAll('\n', '%0a') });
  await statusWith(encodeURIComponent(forged));
  expect(service.logs().filter(({ message }) => message === 'forged')).toEqual([]);
});

it('[SEC-3] an Idempotency-Key of one client replays nothing to another', async () => {
  const headers = { 'idempotency-key': 'shared-by-chance' };
  const other = await testClient(database, service.apiUrl, 'acme', 'operator');
  const answers = [];
  for (const client of [acme, other, stranger]) {
    const response = await client.request('POST', '/v1/jobs', webhookTo('https://a.example'), headers);
    expect(response.headers.get('idempotency-replayed')).toBeNull();
    answers.push(((await response.json()) as { id: string }).id);
  }
  expect(new Set(answers).size).toBe(answers.length);
});
