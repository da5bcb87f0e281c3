import { testDatabase } from '#test/support/database.ts';
import { type JobBody, getJob, jobIn, queueWebhook, untilJob, webhookTo } from '#test/support/jobs.ts';
import { receiver } from '#test/support/receiver.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { expect, it } from 'vitest';

const LATER = { run_at: new Date(Date.now() + 86_400_000).toISOString() };

const database = await testDatabase();
const service = await dragonfly(database).serve('all');
const acme = await testClient(database, service.apiUrl);
const other = await testClient(database, service.apiUrl, 'other');

it('delivers a whole batch or nothing of it', async () => {
  const { url, received } = await receiver();
  const good = webhookTo(url);
  const faulty = await acme.request('POST', '/v1/jobs/batch', { jobs: [good, webhookTo('not a URL'), good] });
  expect(faulty.status).toBe(422);
  expect(await faulty.json()).toMatchObject({ errors: [{ pointer: '#/jobs/1/payload/url' }] });
  expect(await (await acme.request('GET', '/v1/jobs')).json()).toEqual({ jobs: [], next_cursor: null });

  const whole = await acme.request('POST', '/v1/jobs/batch', { jobs: [good, good, good] });
  expect(whole.status).toBe(201);
  const { jobs } = (await whole.json()) as { jobs: JobBody[] };
  for (const { id } of jobs) await untilJob(acme, id, { status: 'completed' });
  const delivered = new Set(received.map(({ headers }) => headers['webhook-id']));
  expect([received.length, delivered]).toEqual([3, new Set(jobs.map(({ id }) => id))]);
});

it('[Q-5] has one unfinished job a unique key: 201, 200 with the same job, and 201 again when it is done', async () => {
  const { url, received } = await receiver();
  const post = async (): Promise<Response> =>
    await acme.request('POST', '/v1/jobs', webhookTo(url, { unique_key: 'invoice-7', ...LATER }));
  const [first, second] = [await post(), await post()];
  expect([first.status, second.status]).toEqual([201, 200]);
  const { id } = await jobIn(first);
  expect(await jobIn(second)).toMatchObject({ id });

  await acme.request('POST', `/v1/jobs/${id}/retry`);
  await untilJob(acme, id, { status: 'completed' });
  expect(received).toHaveLength(1);
  const third = await post();
  expect(third.status).toBe(201);
  expect((await jobIn(third)).id).not.toBe(id);
});

it('[Q-5] keeps the jobs of a paused queue until it is resumed, and those of nobody else', async () => {
  const { url } = await receiver();
  expect((await acme.request('POST', '/v1/queues/webhook.deliver/pause')).status).toBe(204);
  const { id } = await queueWebhook(acme, url);
  // Queued later, and so claimed only after everything before it that may be claimed.
  await untilJob(other, (await queueWebhook(other, url)).id, { status: 'completed' });
  expect(await getJob(acme, id)).toMatchObject({ status: 'pending', attempts: 0 });
  expect(await (await acme.request('GET', '/v1/queues')).json()).toMatchObject({
    queues: expect.arrayContaining([
      expect.objectContaining({ type: 'webhook.deliver', paused: true, depth: 1 }),
    ]),
  });

  expect((await acme.request('POST', '/v1/queues/webhook.deliver/resume')).status).toBe(204);
  await untilJob(acme, id, { status: 'completed' });
});

it('never runs a job that was cancelled in time', async () => {
  const { url, received } = await receiver();
  const { id } = await queueWebhook(acme, url, LATER);
  await acme.request('POST', `/v1/jobs/${id}/cancel`);
  expect(await getJob(acme, id)).toMatchObject({ status: 'cancelled', attempts: 0 });
  // What can be retried was not lost: the same job runs when its client wants it after all.
  await acme.request('POST', `/v1/jobs/${id}/retry`);
  await untilJob(acme, id, { status: 'completed', attempts: 1 });
  expect(received).toHaveLength(1);
});

it("[SEC-11] shows nobody another organisation's job, and lets nobody act on it", async () => {
  const { url } = await receiver();
  const { id } = await queueWebhook(acme, url, LATER);
  for (const [method, path] of [
    ['GET', `/v1/jobs/${id}`],
    ['POST', `/v1/jobs/${id}/cancel`],
    ['POST', `/v1/jobs/${id}/retry`],
  ] as const) {
    const answer = await other.request(method, path);
    expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'job_not_found' }]);
  }
  expect(await getJob(acme, id)).toMatchObject({ status: 'pending', attempts: 0 });
});
