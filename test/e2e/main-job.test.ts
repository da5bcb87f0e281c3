import { hostname } from 'node:os';
import { testDatabase } from '#test/support/database.ts';
import { type JobBody, jobIn, queueWebhook, untilJob, webhookTo } from '#test/support/jobs.ts';
import { receiver } from '#test/support/receiver.ts';
import { GIT_SHA, dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { Client } from 'pg';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';

/** In every payload, and so nowhere else than in the database and at the receiver. */
const PRIVATE = 'the-customers-own-business';
const MASTER_SECRET = 'n0tH1ng-but-the-pr0cesses-0f-th1s-test-know-1t';

const database = await testDatabase();
const service = dragonfly(database, {
  DRAGONFLY_WEBHOOK_SECRET: MASTER_SECRET,
  DRAGONFLY_LOG_GRANTS_RATIO: '1',
});
const [api, worker] = await Promise.all([service.serve('api'), service.serve('worker')]);
const client = await testClient(database, api.apiUrl);
const { stdout } = await service.run(['webhook-secret', '--organization', client.organizationId]);
const secret = stdout.trim();

/** What is queued with `PRIVATE` wherever a client may put something of its own. */
const secretive = (url: string): object => ({
  payload: { url: `${url}/${PRIVATE}`, body: { note: PRIVATE }, headers: { 'x-note': PRIVATE } },
});
const queue = async (url: string): Promise<JobBody> => await queueWebhook(client, url, secretive(url));
const act = async (id: string, action: 'retry' | 'cancel'): Promise<JobBody> =>
  await jobIn(await client.request('POST', `/v1/jobs/${id}/${action}`));

async function traceInDatabase(id: string): Promise<unknown> {
  const connection = new Client({ connectionString: database.urls.readonly });
  await connection.connect();
  try {
    await connection.query("select set_config('ops.organization_id', $1, false)", [client.organizationId]);
    const { rows } = await connection.query<{ trace_id: string }>(
      'select trace_id from ops.jobs where id = $1',
      [id],
    );
    return rows[0]?.trace_id;
  } finally {
    await connection.end();
  }
}

describe('webhook.deliver, from the client to the receiver and back', () => {
  it('[OBS-3] [Q-7] has one trace id in the logs of both processes, the database, the answer and the delivery', async () => {
    const { url, received } = await receiver();
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const answer = await client.request('POST', '/v1/jobs', webhookTo(url, secretive(url)), {
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    });
    expect(answer.status).toBe(201);
    const queued = await jobIn(answer);
    const { id } = queued;
    expect(answer.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect(queued).toMatchObject({ status: 'pending', attempts: 0, trace_id: traceId });

    const job = await untilJob(client, id, { status: 'completed' });
    expect(job).toMatchObject({ attempts: 1, result: { status: 204 }, last_error: null, trace_id: traceId });

    const [delivery] = received;
    expect(received).toHaveLength(1);
    const { body = '', headers } = delivery ?? {};
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual({ note: PRIVATE });
    expect(headers).toMatchObject({
      'webhook-id': id,
      'x-note': PRIVATE,
      traceparent: expect.stringMatching(`^00-${traceId}-[0-9a-f]{16}-00$`) as string,
    });

    expect(answer.headers.get('x-trace-id')).toBe(traceId);
    expect(answer.headers.get('traceparent')).toContain(traceId);
    expect(await traceInDatabase(id)).toBe(traceId);
    const lines = [...api.logged('request completed'), ...worker.logged('job completed')];
    expect(lines.filter((line) => line['trace_id'] === traceId)).toMatchObject([
      { service: 'dragonfly-api', method: 'POST', route: '/v1/jobs', status: 201 },
      { service: 'dragonfly-worker', job_id: id, job_type: 'webhook.deliver', attempt: 1 },
    ]);
  });

  it('waits as long as the receiver asks for, and delivers the same message when it is told to go on', async () => {
    const { url, received } = await receiver((_request, response) => {
      if (received.length === 1) response.writeHead(503, { 'retry-after': '60' }).end();
      else response.writeHead(200).end();
    });
    const { id } = await queue(url);
    const waiting = await untilJob(client, id, { status: 'pending', attempts: 1 });
    expect(waiting.last_error).toContain('503');
    expect(Date.parse(waiting.run_at) - Date.now()).toBeGreaterThan(50_000);

    await act(id, 'retry');
    await untilJob(client, id, { status: 'completed', attempts: 2, result: { status: 200 } });
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id]);
  });

  it('is a dead letter when the receiver refuses it for good, until its client retries it', async () => {
    let status = 410;
    const { url, received } = await receiver((_request, response) => {
      response.writeHead(status).end();
    });
    const { id } = await queue(url);
    const dead = await untilJob(client, id, { status: 'failed' });
    expect(dead).toMatchObject({ attempts: 1, result: null });
    expect(dead.last_error).toContain('410');
    expect(received).toHaveLength(1);

    status = 202;
    await act(id, 'retry');
    await untilJob(client, id, { status: 'completed', attempts: 1, result: { status: 202 } });
    expect(received).toHaveLength(2);
  });

  it('hangs up on the receiver when its client cancels it', async () => {
    const hungUp = Promise.withResolvers<void>();
    const { url, received } = await receiver((_request, response) => {
      response.once('close', hungUp.resolve);
    });
    const { id } = await queue(url);
    await until(() => {
      expect(received).toHaveLength(1);
    });
    await act(id, 'cancel');
    await hungUp.promise;
    await untilJob(client, id, { status: 'cancelled' });
  });
});

describe('the processes behind it', () => {
  it('show one living worker, and not on which host it runs', async () => {
    const text = await (await client.request('GET', '/v1/workers')).text();
    expect(JSON.parse(text)).toMatchObject({ workers: [{ status: 'running', alive: true }] });
    expect(text).not.toContain(hostname());
  });

  it('[SEC-4] log who was allowed what, when they are asked for every grant', () => {
    const [queued] = api.logged('request completed');
    expect(api.logged('permission granted')[0]).toMatchObject({
      level: 'INFO',
      actor: expect.stringMatching(/^api_key:/) as string,
      organization_id: client.organizationId,
      permission: 'jobs:queue',
      route: '/v1/jobs',
      trace_id: queued?.['trace_id'],
    });
  });

  it('[OBS-1] [DEP-1] write JSON lines with time, level, message, commit and service, and nothing else', async () => {
    for (const process of [api, worker]) {
      for (const line of process.logs()) {
        expect(line).toMatchObject({
          timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
          level: expect.stringMatching(/^(?:DEBUG|INFO|WARNING|ERROR)$/) as string,
          message: expect.stringMatching(/./) as string,
          git_sha: GIT_SHA,
          service: expect.stringMatching(/^dragonfly/) as string,
        });
      }
    }
    const { headers } = await fetch(`${worker.metricsUrl}/metrics`);
    expect(headers.get('x-dragonfly-sha')).toBe(GIT_SHA);
  });

  it('[SEC-1] [OBS-2] tell no secret and no payload, neither in their logs nor in their metrics', async () => {
    const texts = await Promise.all(
      [api, worker].map(async (process) => {
        const metrics = await (await fetch(`${process.metricsUrl}/metrics`)).text();
        return JSON.stringify(process.logs()) + metrics;
      }),
    );
    const text = texts.join();
    expect(text).toContain('job failed for good');
    const passwords = [database.urls.api, database.urls.worker].map((url) => new URL(url).password);
    for (const word of [...passwords, client.key, secret, MASTER_SECRET, PRIVATE]) {
      expect(word.length).toBeGreaterThan(20);
      expect(text).not.toContain(word);
    }
  });

  it('write nothing to standard error, and stop with exit code 0', async () => {
    for (const { child } of [api, worker]) child.kill('SIGTERM');
    expect(await Promise.all([api.ended, worker.ended])).toMatchObject([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ]);
  });
});
