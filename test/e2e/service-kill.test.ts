import type { ServerResponse } from 'node:http';
import { testDatabase } from '#test/support/database.ts';
import { type JobBody, queueWebhook, untilJob, webhookTo } from '#test/support/jobs.ts';
import { receiver } from '#test/support/receiver.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { type TestClient, testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { expect, it } from 'vitest';

const CONCURRENCY = 5;
const DEAD_AFTER_MS = 4000;
const BEAT_MS = 500;

const database = await testDatabase();
const service = dragonfly(database, {
  DRAGONFLY_WORKER_CONCURRENCY: String(CONCURRENCY),
  DRAGONFLY_WORKER_DEAD_AFTER: `${DEAD_AFTER_MS}ms`,
  DRAGONFLY_WORKER_HEARTBEAT_INTERVAL: `${BEAT_MS}ms`,
  DRAGONFLY_WORKER_DRAIN_TIMEOUT: '3s',
});
const api = await service.serve('api');
const newClient = async (organization: string): Promise<TestClient> =>
  await testClient(database, api.apiUrl, organization);

async function jobsOf(client: TestClient): Promise<JobBody[]> {
  const { jobs } = (await (await client.request('GET', '/v1/jobs?limit=100')).json()) as { jobs: JobBody[] };
  return jobs;
}

/** How many jobs there are of each value, of all that the client has. */
async function countBy(client: TestClient, name: 'status' | 'attempts'): Promise<Record<string, number>> {
  const groups = Map.groupBy(await jobsOf(client), (job) => String(job[name]));
  return Object.fromEntries([...groups].map(([value, jobs]) => [value, jobs.length]));
}

it('[Q-3] [Q-6] loses no job and has none accepted twice when one of two workers is killed in the middle of 50', async () => {
  const client = await newClient('kill');
  const [victim, survivor] = await Promise.all([service.serve('worker'), service.serve('worker')]);
  const held: ServerResponse[] = [];
  let holding = true;
  const { url, received } = await receiver((_request, response) => {
    if (holding && received.length > 10) held.push(response);
    else response.writeHead(204).end();
  });
  await client.request('POST', '/v1/jobs/batch', { jobs: Array.from({ length: 50 }, () => webhookTo(url)) });
  // Ten are done, and each worker runs as many as it can.
  await until(async () => {
    expect(held).toHaveLength(2 * CONCURRENCY);
    expect(await countBy(client, 'status')).toEqual({ completed: 10, processing: 10, pending: 30 });
  });
  victim.child.kill('SIGKILL');
  const killedAt = performance.now();
  holding = false;
  for (const response of held) response.writeHead(204).end();

  await until(async () => {
    expect(await countBy(client, 'status')).toEqual({ completed: 50 });
  });
  expect(performance.now() - killedAt).toBeGreaterThan(DEAD_AFTER_MS - BEAT_MS);
  expect(await countBy(client, 'attempts')).toEqual({ 1: 50 - CONCURRENCY, 2: CONCURRENCY });
  const ids = [victim, survivor].flatMap(({ logged }) =>
    logged('job completed').map((line) => line['job_id']),
  );
  expect(ids).toHaveLength(50);
  expect(new Set(ids)).toEqual(new Set((await jobsOf(client)).map(({ id }) => id)));
  expect(received).toHaveLength(50 + CONCURRENCY);
  expect(survivor.logged('job outcome refused: lease lost')).toEqual([]);

  survivor.child.kill('SIGTERM');
  expect(await survivor.ended).toMatchObject({ code: 0 });
});

it('[AV-6] lets running jobs end at SIGTERM, and gives back what does not with its attempt', async () => {
  const client = await newClient('drain');
  const worker = await service.serve('worker');
  const held: ServerResponse[] = [];
  const { url, received } = await receiver((request, response) => {
    if (request.url === '/ends') held.push(response);
  });
  const ends = await queueWebhook(client, `${url}/ends`, { priority: 1 });
  for (let n = 0; n < 2 * CONCURRENCY; n += 1) await queueWebhook(client, `${url}/never-ends`);
  await until(() => {
    expect(received).toHaveLength(CONCURRENCY);
  });
  const stoppedAt = performance.now();
  worker.child.kill('SIGTERM');
  await until(() => {
    expect(worker.logged('service stopping')).toHaveLength(1);
  });
  for (const response of held) response.writeHead(204).end();
  await untilJob(client, ends.id, { status: 'completed', attempts: 1 });

  expect(await worker.ended).toMatchObject({ code: 0, stderr: '' });
  expect(performance.now() - stoppedAt).toBeLessThan(8000);
  expect(await countBy(client, 'status')).toEqual({ completed: 1, pending: 2 * CONCURRENCY });
  expect(await countBy(client, 'attempts')).toEqual({ 1: 1, 0: 2 * CONCURRENCY });
  expect(received).toHaveLength(CONCURRENCY);
});
