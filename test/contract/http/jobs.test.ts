import { describe, expect, it } from 'vitest';
import { testDatabase } from '#test/support/database.ts';
import { testClient, testService } from '#test/support/service.ts';

interface Job {
  readonly id: string;
  readonly status: string;
  readonly created_at: string;
}

const database = await testDatabase();
const { apiUrl } = await testService(database, ['api']);
const acme = await testClient(database, apiUrl);
const other = await testClient(database, apiUrl, 'other');

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOBODY = '019abcde-0000-7000-8000-000000000000';
const webhook = (extra: object = {}) => ({
  type: 'webhook.deliver',
  payload: { url: 'https://example.com/hook', body: { hello: 'world' } },
  ...extra,
});

async function queue(extra: object = {}, client = acme): Promise<Job> {
  const response = await client.request('POST', '/v1/jobs', webhook(extra));
  expect(response.status).toBe(201);
  return (await response.json()) as Job;
}

const codeOf = async (response: Response): Promise<unknown> => {
  const problem = (await response.json()) as { code: string };
  return [response.status, problem.code];
};

describe('POST /v1/jobs', () => {
  it('answers 201 with the whole job and where it is', async () => {
    const response = await acme.request('POST', '/v1/jobs', webhook({ priority: 7 }));
    const job = (await response.json()) as Job;
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
    expect(job).toEqual({
      id: expect.stringMatching(UUID_V7),
      type: 'webhook.deliver',
      status: 'pending',
      priority: 7,
      attempts: 0,
      max_attempts: 8,
      created_at: expect.stringMatching(TIMESTAMP),
      run_at: expect.stringMatching(TIMESTAMP),
      started_at: null,
      finished_at: null,
      last_error: null,
      result: null,
      trace_id: response.headers.get('x-trace-id'),
    });
    const read = await acme.request('GET', `/v1/jobs/${job.id}`);
    expect(await read.json()).toEqual(job);
  });

  it('keeps the time to run at, to the microsecond', async () => {
    const run_at = new Date(Date.now() + 60_000).toISOString().replace('Z', '456+00:00');
    expect(await queue({ run_at })).toMatchObject({ run_at: run_at.replace('+00:00', 'Z') });
  });

  it('answers 200 with the unfinished job that has the unique key, per organisation', async () => {
    const first = await queue({ unique_key: 'once' });
    const again = await acme.request('POST', '/v1/jobs', webhook({ unique_key: 'once' }));
    expect(again.status).toBe(200);
    expect(again.headers.get('location')).toBe(`/v1/jobs/${first.id}`);
    expect(await again.json()).toEqual(first);
    expect((await queue({ unique_key: 'once' }, other)).id).not.toBe(first.id);
  });

  it('refuses an unknown type with the known ones', async () => {
    const response = await acme.request('POST', '/v1/jobs', { type: 'cake.bake', payload: {} });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: 'job_type_unknown',
      detail: 'Unknown job type. Known types: smoke.echo, webhook.deliver.',
      errors: [{ pointer: '#/type' }],
    });
  });

  it.for([
    ['does not fit its type', { url: 'ftp://example.com', body: 1 }, '#/payload/url'],
    ['has a NUL', { url: 'https://example.com', body: { a: ['x', 'a\0b'] } }, '#/payload/body/a/1'],
    ['has a lone surrogate', { url: 'https://example.com', body: '\uDC00' }, '#/payload/body'],
  ] as const)('refuses a payload that %s', async ([, payload, pointer]) => {
    const response = await acme.request('POST', '/v1/jobs', { type: 'webhook.deliver', payload });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'payload_invalid', errors: [{ pointer }] });
  });
});

describe('POST /v1/jobs/batch', () => {
  it('queues all in the order given', async () => {
    const priorities = [{ priority: 3 }, { priority: 1 }, { priority: 2 }];
    const response = await acme.request('POST', '/v1/jobs/batch', {
      jobs: priorities.map((extra) => webhook(extra)),
    });
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ jobs: priorities });
  });

  it('queues none when one is faulty', async () => {
    const since = (await queue()).created_at;
    const jobs = [webhook(), { type: 'webhook.deliver', payload: {} }];
    const response = await acme.request('POST', '/v1/jobs/batch', { jobs });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ errors: [{ pointer: '#/jobs/1/payload/url' }, {}] });
    const listed = await acme.request('GET', `/v1/jobs?created_from=${since}`);
    expect(await listed.json()).toMatchObject({ jobs: [{ created_at: since }], next_cursor: null });
  });
});

describe('[API-6] GET /v1/jobs', () => {
  it('walks all pages once, newest first, while others queue', async () => {
    const client = await testClient(database, apiUrl, 'walker');
    const queued = [];
    for (const priority of [1, 2, 3, 4, 5]) queued.push((await queue({ priority }, client)).id);

    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query = cursor === '' ? '' : `&cursor=${cursor}`;
      const response = await client.request('GET', `/v1/jobs?limit=2${query}`);
      const page = (await response.json()) as { jobs: Job[]; next_cursor: string | null };
      seen.push(...page.jobs.map(({ id }) => id));
      cursor = page.next_cursor;
      await queue({}, client);
    }
    expect(seen).toEqual(queued.toReversed());
  });

  it('walks through jobs of the same moment', async () => {
    const client = await testClient(database, apiUrl, 'batch-walker');
    await client.request('POST', '/v1/jobs/batch', { jobs: [webhook(), webhook(), webhook()] });
    const first = (await (await client.request('GET', '/v1/jobs?limit=2')).json()) as {
      jobs: Job[];
      next_cursor: string;
    };
    const second = (await (
      await client.request('GET', `/v1/jobs?limit=2&cursor=${first.next_cursor}`)
    ).json()) as { jobs: Job[]; next_cursor: null };
    expect(new Set([...first.jobs, ...second.jobs].map(({ id }) => id)).size).toBe(3);
    expect(second.next_cursor).toBeNull();
  });

  it('filters by type, status and time', async () => {
    const client = await testClient(database, apiUrl, 'filterer');
    const [first, second] = [await queue({}, client), await queue({}, client)];
    await client.request('POST', `/v1/jobs/${first.id}/cancel`);
    const idsOf = async (query: string) => {
      const response = await client.request('GET', `/v1/jobs?${query}`);
      return ((await response.json()) as { jobs: Job[] }).jobs.map(({ id }) => id);
    };
    expect(await idsOf('status=cancelled')).toEqual([first.id]);
    expect(await idsOf('status=pending')).toEqual([second.id]);
    expect(await idsOf('type=webhook.deliver')).toEqual([second.id, first.id]);
    expect(await idsOf('type=cake.bake')).toEqual([]);
    expect(await idsOf(`created_from=${second.created_at}`)).toEqual([second.id]);
    expect(await idsOf(`created_before=${second.created_at}`)).toEqual([first.id]);
  });
});

describe('POST /v1/jobs/{id}/cancel and /retry', () => {
  it('cancels once and for all, until it is retried', async () => {
    const { id } = await queue();
    for (const _ of [1, 2]) {
      const cancelled = await acme.request('POST', `/v1/jobs/${id}/cancel`);
      expect(cancelled.status).toBe(200);
      expect(await cancelled.json()).toMatchObject({ id, status: 'cancelled' });
    }
    const retried = await acme.request('POST', `/v1/jobs/${id}/retry`);
    expect(retried.status).toBe(200);
    expect(await retried.json()).toMatchObject({ id, status: 'pending', attempts: 0, finished_at: null });
  });

  it('answers 409 when the unique key was taken meanwhile', async () => {
    const { id } = await queue({ unique_key: 'taken' });
    await acme.request('POST', `/v1/jobs/${id}/cancel`);
    await queue({ unique_key: 'taken' });
    expect(await codeOf(await acme.request('POST', `/v1/jobs/${id}/retry`))).toEqual([
      409,
      'unique_key_taken',
    ]);
  });

  it('runs a delayed job now', async () => {
    const { id } = await queue({ run_at: new Date(Date.now() + 3_600_000).toISOString() });
    const retried = await acme.request('POST', `/v1/jobs/${id}/retry`);
    const { run_at } = (await retried.json()) as { run_at: string };
    expect(Date.parse(run_at)).toBeLessThan(Date.now() + 60_000);
  });
});

describe('a job of another organisation', () => {
  it('is a 404, as one that never was', async () => {
    const { id } = await queue();
    for (const job of [id, NOBODY]) {
      for (const [method, path] of [
        ['GET', `/v1/jobs/${job}`],
        ['POST', `/v1/jobs/${job}/cancel`],
        ['POST', `/v1/jobs/${job}/retry`],
      ] as const) {
        expect(await codeOf(await other.request(method, path))).toEqual([404, 'job_not_found']);
      }
    }
    expect(await (await acme.request('GET', `/v1/jobs/${id}`)).json()).toMatchObject({ status: 'pending' });
  });

  it('is in no list', async () => {
    const stranger = await testClient(database, apiUrl, 'stranger');
    await queue();
    const response = await stranger.request('GET', '/v1/jobs');
    expect(await response.json()).toEqual({ jobs: [], next_cursor: null });
  });
});
