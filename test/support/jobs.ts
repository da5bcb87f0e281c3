import type { job } from '#src/adapters/inbound/http/schemas/job.ts';
import { expect } from 'vitest';
import type { z } from 'zod';
import type { TestClient } from './service.ts';
import { until } from './until.ts';

/** A job as clients see it. */
export type JobBody = z.output<typeof job>;

/** What `POST /v1/jobs` takes for a webhook to that address; `changes` adds and replaces. */
export const webhookTo = (url: string, changes: object = {}): object => ({
  type: 'webhook.deliver',
  payload: { url, body: { greeting: 'hello' } },
  ...changes,
});

/** The job in an answer. @throws Error when it is another answer */
export async function jobIn(response: Response): Promise<JobBody> {
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as JobBody;
}

export const queueWebhook = async (client: TestClient, url: string, changes?: object): Promise<JobBody> =>
  await jobIn(await client.request('POST', '/v1/jobs', webhookTo(url, changes)));

export const getJob = async (client: TestClient, id: string): Promise<JobBody> =>
  await jobIn(await client.request('GET', `/v1/jobs/${id}`));

/** The job once it looks like that. */
export const untilJob = async (
  client: TestClient,
  id: string,
  expected: Partial<JobBody>,
): Promise<JobBody> =>
  await until(async () => {
    const job = await getJob(client, id);
    expect(job).toMatchObject(expected);
    return job;
  });
