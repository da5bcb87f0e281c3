import { afterAll, describe, expect, it } from 'vitest';
import { testDatabase } from '#test/support/database.ts';
import { type TestClient, testClient, testService } from '#test/support/service.ts';
import { Client } from 'pg';

interface Entry {
  readonly id: number;
  readonly at: string;
  readonly action: string;
  readonly actor: string;
}
interface Page {
  readonly entries: Entry[];
  readonly next_cursor: string | null;
}

const database = await testDatabase();
const { apiUrl } = await testService(database, ['api']);
const owner = new Client({ connectionString: database.urls.owner });
await owner.connect();
afterAll(async () => {
  await owner.end();
});
let organizations = 0;
const newClient = async (): Promise<TestClient> =>
  await testClient(database, apiUrl, `organization-${(organizations += 1)}`);

const page = async (client: TestClient, query: Readonly<Record<string, string>> = {}): Promise<Page> => {
  const response = await client.request('GET', `/v1/audit?${new URLSearchParams(query).toString()}`);
  expect(response.status).toBe(200);
  return (await response.json()) as Page;
};
const codeOf = async (client: TestClient, query: string): Promise<unknown> => {
  const response = await client.request('GET', `/v1/audit?${query}`);
  return [response.status, ((await response.json()) as { code: string }).code];
};

/** Entries as if so many acts had been done, the first one longest ago. */
const record = async (client: TestClient, count: number, action = 'test.act'): Promise<void> =>
  void (await owner.query(`select ops.audit($1, n::text, 'done', '{}', $2) from generate_series(1, $3) n`, [
    action,
    client.organizationId,
    count,
  ]));

/** Every page from the first on. */
async function pages(client: TestClient, query: Readonly<Record<string, string>>): Promise<Page[]> {
  const all: Page[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const one: Page = await page(client, { ...query, ...(cursor !== '' && { cursor }) });
    all.push(one);
    cursor = one.next_cursor;
  }
  return all;
}

describe('[DATA-7] GET /v1/audit', () => {
  it('has what the organisation did, newest first, with actor and trace, and nothing of others', async () => {
    const client = await newClient();
    const stranger = await newClient();
    const path = '/v1/queues/webhook.deliver';
    const paused = await client.request('POST', `${path}/pause`);
    const purged = await client.request('POST', `${path}/purge`, { limit: 10 });
    await stranger.request('POST', `${path}/pause`);
    const acts = (await page(client)).entries.filter(({ action }) => action.startsWith('queue.'));
    const common = {
      id: expect.any(Number),
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z$/),
      actor: expect.stringMatching(/^api_key:[0-9a-f-]{36}$/),
      target: 'webhook.deliver',
    };
    expect(acts).toEqual([
      {
        ...common,
        action: 'queue.purge',
        outcome: 'unchanged',
        trace_id: purged.headers.get('x-trace-id'),
        detail: { jobs: 0 },
      },
      {
        ...common,
        action: 'queue.pause',
        outcome: 'done',
        trace_id: paused.headers.get('x-trace-id'),
        detail: {},
      },
    ]);
  });

  it('[API-6] has every entry once, page by page, whatever is recorded meanwhile', async () => {
    const client = await newClient();
    await record(client, 25, 'test.page');
    const first = await page(client, { limit: '10' });
    await record(client, 5, 'test.later');
    const second = await page(client, { limit: '10', cursor: first.next_cursor ?? '' });
    const third = await page(client, { limit: '10', cursor: second.next_cursor ?? '' });
    const entries = [first, second, third].flatMap((one) => one.entries);
    const mine = entries.filter(({ action }) => action === 'test.page');
    expect(mine).toHaveLength(25);
    expect(mine.map(({ id }) => id)).toEqual(mine.map(({ id }) => id).toSorted((a, b) => b - a));
    expect(entries.filter(({ action }) => action === 'test.later')).toEqual([]);
    expect(third.next_cursor).toBeNull();
  });

  it('[API-6] finds what is rare in a long log, in pages of a bounded search', async () => {
    const client = await newClient();
    await record(client, 1, 'test.rare');
    await record(client, 4500);
    const found = await pages(client, { action: 'test.rare', limit: '10' });
    expect(found.map(({ entries }) => entries.length)).toEqual([0, 0, 1]);
    expect(found.flatMap(({ entries }) => entries)).toMatchObject([{ action: 'test.rare' }]);
  });

  it('filters by actor and by time', async () => {
    const client = await newClient();
    await record(client, 3);
    await client.request('POST', '/v1/queues/webhook.deliver/pause');
    const { entries } = await page(client);
    const [newest, , middle] = entries;
    expect((await page(client, { actor: newest?.actor ?? '' })).entries).toEqual([newest]);
    expect((await page(client, { from: middle?.at ?? '' })).entries).toEqual(entries.slice(0, 3));
    expect((await page(client, { before: middle?.at ?? '' })).entries).toEqual(entries.slice(3));
    expect((await page(client, { before: '2020-01-01T00:00:00Z' })).entries).toEqual([]);
  });

  it('[SEC-11] a cursor of another organisation leads nowhere', async () => {
    const [client, stranger] = [await newClient(), await newClient()];
    await record(client, 5);
    await record(stranger, 5);
    const { next_cursor: cursor } = await page(stranger, { limit: '2' });
    expect(await page(client, { cursor: cursor ?? '' })).toEqual({ entries: [], next_cursor: null });
  });

  it.for([
    ['limit=0', 'validation_failed'],
    ['limit=101', 'validation_failed'],
    ['from=yesterday', 'validation_failed'],
    ['action=', 'validation_failed'],
    ['action=a%00b', 'validation_failed'],
    ['organization_id=x', 'validation_failed'],
    [`cursor=${Buffer.from('0').toString('base64url')}`, 'cursor_invalid'],
    [`cursor=${Buffer.from('9223372036854775808').toString('base64url')}`, 'cursor_invalid'],
    ['cursor=x', 'cursor_invalid'],
  ])('[SEC-13] %s is 422 %s', async ([query = '', code = '']) => {
    expect(await codeOf(await newClient(), query)).toEqual([422, code]);
  });

  it('[SEC-3] needs a key', async () => {
    expect((await fetch(new URL('/v1/audit', apiUrl))).status).toBe(401);
  });
});
