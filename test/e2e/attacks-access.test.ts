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
const service = await dragonfly(database).serve('api');
const acme = await testClient(database, service.apiUrl);
const stranger = await testClient(database, service.apiUrl, 'stranger');

const statusWith = async (key: string, path = '/v1/me'): Promise<number> =>
  (await fetch(new URL(path, service.apiUrl), { headers: { authorization: `Bearer ${key}` } })).status;
const idOf = async (client: TestClient): Promise<string> => {
  const me = (await (await client.request('GET', '/v1/me')).json()) as { actor: string };
  return me.actor.replace('api_key:', '');
};
const logs = (): string => JSON.stringify(service.logs());

describe('[SEC-5] a key that is not good opens nothing', () => {
  const secret = randomBytes(32).toString('base64url');
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(secret));
  it.for([
    ['with a wrong checksum', acme.key.replace(/.{6}$/, 'AAAAAA')],
    ['with a right checksum that was never issued', `dfk_${secret}${sum.toString('base64url')}`],
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

it('[SEC-3] [SEC-11] ids of another organisation are as if they were not there', async () => {
  const queued = await stranger.request('POST', '/v1/jobs', webhookTo('https://a.example'));
  const { id } = (await queued.json()) as { id: string };
  const nobody = '019c1222-7c00-7d3b-9a54-3f1c6a2e8b90';
  for (const [method, path] of [
    ['GET', (job: string) => `/v1/jobs/${job}`],
    ['POST', (job: string) => `/v1/jobs/${job}/cancel`],
    ['POST', (job: string) => `/v1/jobs/${job}/retry`],
  ] as const) {
    const [theirs, none] = [await acme.request(method, path(id)), await acme.request(method, path(nobody))];
    expect([theirs.status, none.status]).toEqual([404, 404]);
    const [a, b] = [await theirs.json(), await none.json()] as { trace_id: string }[];
    expect({ ...a, trace_id: '' }).toEqual({ ...b, trace_id: '' });
  }
  expect(await (await stranger.request('GET', `/v1/jobs/${id}`)).json()).toMatchObject({ status: 'pending' });
});

describe('[SEC-13] SQL in a text is a text', () => {
  const SQL = `x'); select ops.pause_queue('webhook.deliver'); drop table public.api_key; --`;
  it.for([
    ['type', 'POST', '/v1/jobs', { ...webhookTo('https://a.example'), type: SQL }, 422],
    ['unique key', 'POST', '/v1/jobs', { ...webhookTo('https://a.example'), unique_key: SQL }, 201],
    [
      'payload',
      'POST',
      '/v1/jobs',
      { ...webhookTo('https://a.example', { payload: { url: 'https://a.example', body: SQL } }) },
      201,
    ],
    ['client', 'POST', '/v1/api-keys', { name: SQL, role: 'viewer' }, 201],
    ['path', 'POST', `/v1/queues/${encodeURIComponent(SQL)}/pause`, undefined, 422],
    ['id', 'GET', `/v1/jobs/${encodeURIComponent(SQL)}`, undefined, 422],
    ['filter', 'GET', `/v1/jobs?type=${encodeURIComponent(SQL)}`, undefined, 200],
    ['cursor', 'GET', `/v1/jobs?cursor=${Buffer.from(SQL).toString('base64url')}`, undefined, 422],
    ['actor', 'GET', `/v1/audit?actor=${encodeURIComponent(SQL)}`, undefined, 200],
    ['action', 'GET', `/v1/audit?action=${encodeURIComponent(SQL)}`, undefined, 200],
  ] as const)('%s', async ([, method, path, body, status]) => {
    expect((await acme.request(method, path, body)).status).toBe(status);
    const queues = (await (await acme.request('GET', '/v1/queues')).json()) as {
      queues: { paused: boolean }[];
    };
    expect(queues.queues.every(({ paused }) => !paused)).toBe(true);
    expect(await statusWith(acme.key)).toBe(200);
  });

  it('in an Idempotency-Key and a trace id, too', async () => {
    const headers = { 'idempotency-key': SQL.replaceAll(' ', '+'), 'x-trace-id': SQL };
    const first = await acme.request('POST', '/v1/jobs', webhookTo('https://a.example'), headers);
    const second = await acme.request('POST', '/v1/jobs', webhookTo('https://a.example'), headers);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await second.text()).toBe(await first.text());
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
