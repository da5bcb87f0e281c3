import { Client } from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { testDatabase } from '#test/support/database.ts';
import { testClient, testService } from '#test/support/service.ts';

const database = await testDatabase();
const { apiUrl } = await testService(database, ['api']);
const client = await testClient(database, apiUrl);

const delayed = {
  type: 'webhook.deliver',
  payload: { url: 'https://example.com', body: 1 },
  run_at: new Date(Date.now() + 3_600_000).toISOString(),
};
const queueOf = async (of = client): Promise<unknown> => {
  const response = await of.request('GET', '/v1/queues');
  const { queues } = (await response.json()) as { queues: { type: string }[] };
  return queues.find(({ type }) => type === 'webhook.deliver');
};

it('GET /v1/queues has every type, also one without jobs', async () => {
  expect(await queueOf()).toEqual({
    type: 'webhook.deliver',
    depth: 0,
    scheduled: 0,
    processing: 0,
    failed: 0,
    oldest_age_seconds: null,
    paused: false,
  });
});

it('POST /v1/queues/{type}/pause holds the organisation’s jobs back until resume, and can be repeated', async () => {
  const neighbour = await testClient(database, apiUrl, 'neighbour');
  const path = '/v1/queues/webhook.deliver';
  for (const _ of [1, 2]) {
    const paused = await client.request('POST', `${path}/pause`);
    expect([paused.status, await paused.text()]).toEqual([204, '']);
  }
  await client.request('POST', '/v1/jobs/batch', {
    jobs: [delayed, { ...delayed, run_at: '2026-01-01T00:00:00Z' }],
  });
  expect(await queueOf()).toMatchObject({
    depth: 1,
    scheduled: 1,
    processing: 0,
    failed: 0,
    oldest_age_seconds: expect.any(Number),
    paused: true,
  });
  expect(await queueOf(neighbour)).toMatchObject({ depth: 0, paused: false });

  for (const _ of [1, 2]) expect((await client.request('POST', `${path}/resume`)).status).toBe(204);
  expect(await queueOf()).toMatchObject({ paused: false });
});

it('GET /v1/queues tells the age of the oldest job by the clock of the database', async () => {
  const lonely = await testClient(database, apiUrl, 'lonely');
  await lonely.request('POST', '/v1/jobs', { ...delayed, run_at: '2026-01-01T00:00:00Z' });
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
  const { oldest_age_seconds: age } = (await queueOf(lonely)) as { oldest_age_seconds: number };
  expect(age).toBeGreaterThan(0);
  expect(age).toBeLessThan(60);
});

it('[Q-5] POST /v1/queues/{type}/redrive and /purge deal with the dead letters of the organisation', async () => {
  const unlucky = await testClient(database, apiUrl, 'unlucky');
  const worker = new Client({ connectionString: database.urls.worker });
  await worker.connect();
  onTestFinished(async () => await worker.end());
  const answer = await unlucky.request('POST', '/v1/jobs', { ...delayed, priority: 100, run_at: undefined });
  const { id } = (await answer.json()) as { id: string };
  /** As a worker whose handler gives up. */
  const fail = async (): Promise<void> => {
    const { rows } = await worker.query(
      `select job_id, lease_token from ops.claim_jobs('{webhook.deliver}', 1, 30, 'w')`,
    );
    expect(rows).toMatchObject([{ job_id: id }]);
    await worker.query(`select from ops.complete_jobs($1, $2, '{failed}')`, [
      [id],
      [(rows as { lease_token: string }[])[0]?.lease_token],
    ]);
    expect(await queueOf(unlucky)).toMatchObject({ depth: 0, failed: 1 });
  };
  const act = async (what: string, of = unlucky): Promise<unknown> =>
    await (await of.request('POST', `/v1/queues/webhook.deliver/${what}`, {})).json();

  await fail();
  expect(await act('redrive', client), 'those of another organisation').toEqual({ jobs: 0 });
  expect(await act('redrive')).toEqual({ jobs: 1 });
  expect(await queueOf(unlucky)).toMatchObject({ depth: 1, failed: 0 });
  await fail();
  expect(await act('purge')).toEqual({ jobs: 1 });
  expect((await unlucky.request('GET', `/v1/jobs/${id}`)).status).toBe(404);
});

it('POST /v1/queues/{type}/pause refuses an unknown type', async () => {
  const response = await client.request('POST', '/v1/queues/cake.bake/pause');
  expect(response.status).toBe(422);
  expect(await response.json()).toMatchObject({ code: 'job_type_unknown' });
});

it('GET /v1/job-types has the schema of each payload', async () => {
  const response = await client.request('GET', '/v1/job-types');
  expect(await response.json()).toMatchObject({
    job_types: [
      {
        type: 'webhook.deliver',
        payload: {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          type: 'object',
          required: ['url', 'body'],
          additionalProperties: false,
        },
        retry: { max_attempts: 8 },
        timeout_seconds: 30,
      },
      { type: 'smoke.echo', payload: { required: ['message'] } },
    ],
  });
});
