import { randomUUID } from 'node:crypto';
import { issueApiKey } from '#src/composition/keys.ts';
import { connectRoles } from '#test/contract/sql/roles.ts';
import { testDatabase } from '#test/support/database.ts';
import { webhookTo } from '#test/support/jobs.ts';
import { type TestClient, testClient, testService } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { describe, expect, it } from 'vitest';

const database = await testDatabase();
const { admin, worker, session } = await connectRoles(database);
const { apiUrl } = await testService(database, ['api']);
const acme = await testClient(database, apiUrl);
const other = await testClient(database, apiUrl, 'other');

const JOBS = '/v1/jobs';
const LATER = '2099-01-01T00:00:00Z';
const NOBODY = '019abcde-0000-7000-8000-000000000000';
const job = (changes: object = {}): object =>
  webhookTo('https://example.com/hook', { run_at: LATER, ...changes });

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

async function post(
  key: string,
  {
    client = acme,
    path = JOBS,
    body = path === JOBS ? job() : undefined,
  }: {
    client?: Pick<TestClient, 'request'>;
    path?: string;
    body?: unknown;
  } = {},
): Promise<Answered> {
  const response = await client.request('POST', path, body, { 'idempotency-key': key });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

const codeIn = ({ status, body }: Answered): unknown => [status, (JSON.parse(body) as { code: string }).code];
const isReplay = ({ headers }: Answered): boolean => headers.get('idempotency-replayed') === 'true';
const idIn = ({ body }: Answered): string => (JSON.parse(body) as { id: string }).id;

async function jobsOf({ organizationId }: TestClient): Promise<number> {
  const [row] = await admin<{ jobs: number }>`
    select count(*)::integer as jobs from ops.job where organization_id = ${organizationId}`;
  return row?.jobs ?? 0;
}

async function completedJob(): Promise<string> {
  const id = idIn(await post(randomUUID(), { body: job({ run_at: undefined }) }));
  const claimed = await worker<{ id: string; token: string }>`
    select job_id as id, lease_token as token from ops.claim_jobs('{webhook.deliver}', 100, 30, 'test')`;
  const token = claimed.find((one) => one.id === id)?.token;
  await worker`select ops.complete_jobs(array[${id}::uuid], array[${token}::bigint], '{completed}')`;
  return id;
}

/** Nobody can queue a job while `work` runs; what comes waits for it in the database. */
async function whileNobodyQueues<T>(work: (untilWaiting: () => Promise<void>) => Promise<T>): Promise<T> {
  const holder = await session('admin');
  await holder.run('begin; lock table ops.job in share mode');
  try {
    return await work(async () => {
      await until(async () => {
        expect(
          await admin`select from pg_locks where not granted and relation = 'ops.job'::regclass`,
        ).toHaveLength(1);
      });
    });
  } finally {
    await holder.run('rollback');
  }
}

describe('[API-5] the same key and payload', () => {
  it('is done once, and answered the second time as the first: status, headers and body', async () => {
    const client = await testClient(database, apiUrl, 'replays');
    const key = randomUUID();
    const first = await post(key, { client });
    expect(first.status).toBe(201);
    expect(isReplay(first)).toBe(false);
    for (const _ of [1, 2]) {
      const again = await post(key, { client });
      expect(again).toMatchObject({ status: 201, body: first.body });
      expect(isReplay(again)).toBe(true);
      for (const name of ['location', 'content-type', 'content-length']) {
        expect(again.headers.get(name)).toBe(first.headers.get(name));
      }
      expect(again.headers.get('x-trace-id')).not.toBe(first.headers.get('x-trace-id'));
    }
    expect(await jobsOf(client)).toBe(1);
  });

  it('is replayed where there is no body', async () => {
    const key = randomUUID();
    const path = '/v1/queues/webhook.deliver/pause';
    const client = await testClient(database, apiUrl, 'pauses');
    const first = await post(key, { client, path });
    expect([first.status, first.body]).toEqual([204, '']);
    await client.request('POST', '/v1/queues/webhook.deliver/resume');
    const again = await post(key, { client, path });
    expect([again.status, again.body, isReplay(again)]).toEqual([204, '', true]);
    expect(again.headers.get('content-type')).toBeNull();
    const { queues } = (await (await client.request('GET', '/v1/queues')).json()) as {
      queues: { paused: boolean }[];
    };
    expect(queues.filter(({ paused }) => paused)).toEqual([]);
  });

  it('is the same whatever its white space', async () => {
    const key = randomUUID();
    const client = {
      request: async (method: string, path: string, body: unknown, headers: object) =>
        await fetch(new URL(path, apiUrl), {
          method,
          headers: { authorization: `Bearer ${acme.key}`, 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body, null, 2),
        }),
    } as Pick<TestClient, 'request'>;
    const first = await post(key);
    expect(await post(key, { client })).toMatchObject({ status: 201, body: first.body });
  });

  it('replays a batch of 1,000 jobs', async () => {
    const client = await testClient(database, apiUrl, 'batches');
    const key = randomUUID();
    const body = { jobs: Array.from({ length: 1000 }, () => job()) };
    const first = await post(key, { client, path: '/v1/jobs/batch', body });
    const again = await post(key, { client, path: '/v1/jobs/batch', body });
    expect([first.status, isReplay(again)]).toEqual([201, true]);
    expect(again.body === first.body).toBe(true);
    expect(await jobsOf(client)).toBe(1000);
  });

  it('is done anew when its 24 hours are over', async () => {
    const client = await testClient(database, apiUrl, 'ages');
    const key = randomUUID();
    const first = await post(key, { client });
    await admin`update ops.idempotency_key set expires_at = expires_at - interval '24 hours' where body = ${first.body}`;
    const second = await post(key, { client, body: job({ priority: 1 }) });
    expect([second.status, isReplay(second)]).toEqual([201, false]);
    expect(idIn(second)).not.toBe(idIn(first));
    expect(isReplay(await post(key, { client, body: job({ priority: 1 }) }))).toBe(true);
  });
});

describe('[API-5] a key stands for one request', () => {
  it.for([
    ['another payload', { body: job({ priority: 1 }) }],
    ['another query', { path: `${JOBS}?` }],
  ] as const)('422 with %s', async ([, change]) => {
    const key = randomUUID();
    const before = await jobsOf(acme);
    await post(key);
    expect(codeIn(await post(key, { body: job(), ...change }))).toEqual([422, 'idempotency_key_reused']);
    expect(await jobsOf(acme)).toBe(before + 1);
  });

  it('of its principal: another key of the organisation, and another organisation, mean another one', async () => {
    const { key: secondKey } = await issueApiKey({
      databaseUrl: database.urls.owner,
      organization: 'acme',
      name: 'second',
      role: 'service',
      lifetimeMs: 3_600_000,
    });
    const second: Pick<TestClient, 'request'> = {
      request: async (method, path, body, headers) =>
        await acme.request(method, path, body, { ...headers, authorization: `Bearer ${secondKey}` }),
    };
    const key = randomUUID();
    const answers = [
      await post(key),
      await post(key, { client: second }),
      await post(key, { client: other }),
    ];
    expect(answers.map(isReplay)).toEqual([false, false, false]);
    expect(new Set(answers.map(idIn)).size).toBe(3);
  });

  it('of its operation: on another path it means another one', async () => {
    const key = randomUUID();
    const id = idIn(await post(key));
    for (const act of ['cancel', 'retry']) {
      const answer = await post(key, { path: `${JOBS}/${id}/${act}` });
      expect([answer.status, isReplay(answer)]).toEqual([200, false]);
    }
  });

  it.for([
    ['empty', ''],
    ['with a space', 'a b'],
    ['sent twice', 'a, b'],
    ['not of ASCII', 'schl\u00FCssel'],
    ['too long', 'x'.repeat(256)],
  ] as const)('[SEC-13] 400 when it is %s', async ([, key]) => {
    expect(codeIn(await post(key))).toEqual([400, 'idempotency_key_invalid']);
  });

  it('of up to 255 visible characters', async () => {
    const key = `!~${'x'.repeat(253)}`;
    expect((await post(key)).status).toBe(201);
    expect(isReplay(await post(key))).toBe(true);
  });
});

describe('[API-5] [Q-3] while the first is under way', () => {
  it('409 at once for whoever comes with its key, and one effect', async () => {
    const client = await testClient(database, apiUrl, 'at-once');
    const key = randomUUID();
    const first = await whileNobodyQueues(async (untilWaiting) => {
      const asked = post(key, { client });
      await untilWaiting();
      const others = await Promise.all(Array.from({ length: 8 }, async () => await post(key, { client })));
      for (const answer of others) {
        expect(codeIn(answer)).toEqual([409, 'idempotency_key_in_use']);
        expect(answer.headers.get('retry-after')).toBe('1');
      }
      return { asked };
    });
    const { status, body } = await first.asked;
    expect(status).toBe(201);
    expect(await post(key, { client })).toMatchObject({ status, body });
    expect(await jobsOf(client)).toBe(1);
  });

  it('one effect of many at the same moment', async () => {
    const client = await testClient(database, apiUrl, 'moment');
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 30 }, async () => await post(key, { client })));
    expect(answers.filter(({ status }) => status !== 201 && status !== 409)).toEqual([]);
    expect(answers.filter((answer) => answer.status === 201 && !isReplay(answer))).toHaveLength(1);
    expect(await jobsOf(client)).toBe(1);
  });
});

describe('[API-5] a refusal', () => {
  it('of the use case is replayed, though by now it would be none', async () => {
    const key = randomUUID();
    const id = idIn(await post(randomUUID()));
    const path = `${JOBS}/${id}/cancel`;
    await admin`update ops.job set organization_id = ${other.organizationId} where id = ${id}`;
    const first = await post(key, { path });
    expect(codeIn(first)).toEqual([404, 'job_not_found']);
    await admin`update ops.job set organization_id = ${acme.organizationId} where id = ${id}`;
    const again = await post(key, { path });
    expect(again).toMatchObject({ status: 404, body: first.body });
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(isReplay(again)).toBe(true);
    expect((await post(randomUUID(), { path })).status).toBe(200);
  });

  it('[DATA-7] of the use case is in the audit log as it is without a key', async () => {
    const completed = await completedJob();
    for (const [status, act, outcome, id] of [
      [404, 'cancel', 'not_found', NOBODY],
      [409, 'cancel', 'unchanged', completed],
      [409, 'retry', 'unchanged', completed],
    ] as const) {
      const path = `${JOBS}/${id}/${act}`;
      const keyed = await post(randomUUID(), { path });
      const unkeyed = await acme.request('POST', path);
      expect([keyed.status, unkeyed.status]).toEqual([status, status]);
      expect(
        await admin`select outcome, trace_id from ops.audit_log
                     where action = ${`job.${act}`} and target = ${id} order by id`,
      ).toEqual([keyed, unkeyed].map(({ headers }) => ({ outcome, trace_id: headers.get('x-trace-id') })));
    }
  });

  it('before the use case keeps nothing: the key is free for the request as it should have been', async () => {
    const key = randomUUID();
    expect(codeIn(await post(key, { body: { type: 'webhook.deliver' } }))).toEqual([
      422,
      'validation_failed',
    ]);
    expect((await post(key)).status).toBe(201);
  });
});

it('[API-5] an answer that is too large to keep is not replayed, and what was asked is not done again', async () => {
  const client = await testClient(database, apiUrl, 'large');
  const jobs = Array.from({ length: 1000 }, (_, index) =>
    webhookTo('https://example.com/hook', { unique_key: `large ${index}` }),
  );
  expect((await client.request('POST', '/v1/jobs/batch', { jobs })).status).toBe(201);
  const claimed = await worker<{ id: string; token: string }>`
    select job_id as id, lease_token as token from ops.claim_jobs('{webhook.deliver}', 1000, 30, 'test')`;
  expect(claimed).toHaveLength(1000);
  await worker`
    select ops.complete_jobs(array_agg(id), array_agg(token), array_agg('pending'::text), array_agg(repeat('x', 2000)), array_agg(3600::float8))
      from unnest(${claimed.map(({ id }) => id)}::uuid[], ${claimed.map(({ token }) => token)}::bigint[]) claimed (id, token)`;
  const key = randomUUID();
  const first = await post(key, { client, path: '/v1/jobs/batch', body: { jobs } });
  expect(first.status).toBe(201);
  expect(first.body.length).toBeGreaterThan(1_048_576);
  const again = await post(key, { client, path: '/v1/jobs/batch', body: { jobs } });
  expect(codeIn(again)).toEqual([409, 'idempotency_answer_not_kept']);
});

it('a read has no key, and takes none amiss', async () => {
  const headers = { 'idempotency-key': '' };
  expect((await acme.request('GET', `${JOBS}/${NOBODY}`, undefined, headers)).status).toBe(404);
});
