import { expect, it } from 'vitest';
import { testDatabase } from '../support/database.ts';
import { testClient, testService } from '../support/service.ts';

const database = await testDatabase();
const replicas = [await testService(database, ['api']), await testService(database, ['api'])] as const;
const client = await testClient(database, replicas[0].apiUrl);

const at = async (replica: 0 | 1, method: string, path: string, body?: unknown) => {
  const response = await client.request(method, new URL(path, replicas[replica].apiUrl).href, body);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const job = { type: 'webhook.deliver', payload: { url: 'https://receiver.test/', body: {} } };

it('[ARC-3] any replica serves any request: a job, its change and a page begun elsewhere', async () => {
  const queued = await at(0, 'POST', '/v1/jobs', job);
  await at(1, 'POST', '/v1/jobs', job);
  const path = `/v1/jobs/${String(queued.body['id'])}`;
  expect(await at(1, 'GET', path)).toEqual({ status: 200, body: queued.body });

  expect((await at(1, 'POST', `${path}/cancel`)).status).toBe(200);
  expect((await at(0, 'GET', path)).body).toMatchObject({ status: 'cancelled' });

  const first = await at(0, 'GET', '/v1/jobs?limit=1');
  const second = await at(1, 'GET', `/v1/jobs?limit=1&cursor=${String(first.body['next_cursor'])}`);
  expect(second.body['jobs']).toMatchObject([{ id: queued.body['id'] }]);
});

it('[ARC-3] [ARC-4] a key issued while they run is good at every replica', async () => {
  const other = await testClient(database, replicas[1].apiUrl, 'other');
  for (const { apiUrl } of replicas) {
    expect((await other.request('GET', new URL('/v1/jobs', apiUrl).href)).status).toBe(200);
  }
});
