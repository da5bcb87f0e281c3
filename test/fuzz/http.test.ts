import { randomInt } from 'node:crypto';
import { type JsonSchema, type Operation, operations } from '#test/support/contract.ts';
import { type TestDatabase, testDatabase } from '#test/support/database.ts';
import { type JobBody, jobIn, webhookTo } from '#test/support/jobs.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { type TestClient, testClient } from '#test/support/service.ts';
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { Client } from 'pg';
import { Pool } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FuzzAnswer, faultsOf } from './answers.ts';
import { fromSchema } from './from-schema.ts';
import { nearly } from './hostile.ts';
import { type FuzzRequest, type Known, requestsFor, requestsForNothing } from './requests.ts';

const TOTAL = 20_000;
const CONNECTIONS = 16;
/** Requests that are made up at a time: more would only take memory. */
const SLICE = 250;

const targets = [...operations, undefined];
const aRoute = Number(process.env['FUZZ_REQUESTS'] ?? Math.ceil(TOTAL / targets.length));
const seed = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31));

const database = await testDatabase();
// However slow this machine is just now: shedding has tests of its own.
const service = await dragonfly(database).serve('api', { LOG_LEVEL: 'error', DRAGONFLY_SHED_WAIT: '30s' });
const client = await testClient(database, service.apiUrl);
const stranger = await testClient(database, service.apiUrl, 'other');
const connections = new Pool(service.apiUrl, { connections: CONNECTIONS, pipelining: 1 });
afterAll(async () => {
  await connections.close();
});

const histogram = new Map<number, number>();
const codes = new Map<string, number>();
let sent = 0;
let authenticated = 0;
let inUseCase = 0;
/** Every job that was there before, or that an answer said it had queued. */
const queued = new Set<string>();
let strangersJobs: string[] = [];
let known: Known;

const job = (changes: object = {}): object => webhookTo('https://example.com/hook', changes);

async function queue(by: TestClient, changes?: object): Promise<string> {
  const { id } = await jobIn(await by.request('POST', '/v1/jobs', job(changes)));
  return id;
}

const as = async <T>(url: string, work: (connection: Client) => Promise<T>): Promise<T> => {
  const connection = new Client({ connectionString: url });
  await connection.connect();
  try {
    return await work(connection);
  } finally {
    await connection.end();
  }
};

/** Jobs in every state, so that every refusal of a use case can be met. */
async function seedJobs({ urls }: TestDatabase): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < 12; n += 1) ids.push(await queue(client));
  await as(urls.worker, async (worker) => {
    await worker.query(
      `select ops.complete_jobs(array_agg(job_id), array_agg(lease_token),
         array_agg(case when n % 2 = 0 then 'completed' else 'failed' end), array_agg('no'::text))
         from (select *, row_number() over () as n from ops.claim_jobs('{webhook.deliver}', 8, 30, 'fuzz')) claim`,
    );
    await worker.query("select ops.claim_jobs('{webhook.deliver}', 2, 30, 'fuzz')");
  });
  const unique = { unique_key: 'a' };
  const cancelled = await queue(client, unique);
  await client.request('POST', `/v1/jobs/${cancelled}/cancel`);
  return [...ids, cancelled, await queue(client, unique)];
}

async function jobsIn({ urls }: TestDatabase, { organizationId }: TestClient): Promise<string[]> {
  const text = 'select id from ops.job where organization_id = $1 order by id';
  const { rows } = await as(urls.admin, async (admin) => await admin.query<JobBody>(text, [organizationId]));
  return rows.map(({ id }) => id);
}

beforeAll(async () => {
  for (const id of await seedJobs(database)) queued.add(id);
  await queue(stranger);
  strangersJobs = await jobsIn(database, stranger);
  const page = (await (await client.request('GET', '/v1/jobs?limit=3')).json()) as { next_cursor: string };
  const types = (await (await client.request('GET', '/v1/job-types')).json()) as {
    job_types: { type: string; payload: JsonSchema }[];
  };
  const [webhook] = types.job_types;
  const payload = fromSchema(webhook?.payload ?? {});
  const jobs = (payloads: Arbitrary<unknown>): Arbitrary<unknown> =>
    fc.record(
      {
        type: fc.constant(webhook?.type),
        payload: payloads,
        priority: fc.integer({ min: -100, max: 100 }),
        run_at: fromSchema({ type: 'string', format: 'date-time' }),
        unique_key: fc.constantFrom('a', 'b', 'c'),
      },
      { requiredKeys: ['type', 'payload'] },
    );
  known = {
    key: client.key,
    jobIds: [...queued, ...strangersJobs],
    cursors: [page.next_cursor],
    job: jobs(payload),
    faultyJob: jobs(nearly(payload)),
  };
});

async function send({ method, path, headers, body }: FuzzRequest): Promise<FuzzAnswer> {
  const answer = await connections.request({ method, path, headers, body: body ?? null });
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
}

const DOMAIN_CODES =
  /^(?:job_not_found|job_not_cancellable|job_not_retryable|unique_key_taken|api_key_not_found|job_type_unknown|payload_invalid)$/;

function count({ headers, path }: FuzzRequest, { status, text, headers: answered }: FuzzAnswer): void {
  sent += 1;
  histogram.set(status, (histogram.get(status) ?? 0) + 1);
  const isProblem = String(answered['content-type']).startsWith('application/problem+json') && text !== '';
  const code = isProblem ? (JSON.parse(text) as { code: string }).code : '';
  if (code !== '') codes.set(code, (codes.get(code) ?? 0) + 1);
  if (headers['authorization'] === `Bearer ${client.key}` && ![401, 429].includes(status)) authenticated += 1;
  if ((path.startsWith('/v1/') && status < 300) || DOMAIN_CODES.test(code)) inUseCase += 1;
}

function noteQueued(operation: Operation | undefined, { status, text }: FuzzAnswer): void {
  if (status !== 201 || !operation?.id.startsWith('queueJob')) return;
  const body = JSON.parse(text) as JobBody & { jobs?: JobBody[] };
  for (const { id } of operation.id === 'queueJobs' ? (body.jobs ?? []) : [body]) queued.add(id);
}

/** Sends requests one after the other, until one of them has an answer with a fault. */
async function fuzz(
  operation: Operation | undefined,
  requests: Iterable<FuzzRequest>,
  faulty: string[],
): Promise<void> {
  for (const request of requests) {
    const answer = await send(request).catch(String);
    const where = `with FUZZ_SEED=${seed}: ${JSON.stringify({ request, answer })}`;
    if (typeof answer === 'string') {
      faulty.push(`No answer ${where}`);
      return;
    }
    count(request, answer);
    const asked = operation && isAskedBy(operation, request) ? operation : undefined;
    const faults = faultsOf(request, asked, answer);
    if (faults.length > 0) faulty.push(`${faults.join('; ')} ${where}`);
    if (faulty.length > 0) return;
    noteQueued(asked, answer);
  }
}

function isAskedBy(operation: Operation, { method, path }: FuzzRequest): boolean {
  const asked = path.replace(/\?.*/s, '').split('/');
  const parts = operation.path.split('/');
  const fits = parts.every((part, index) => part.startsWith('{') || part === asked[index]);
  return fits && method === operation.method && parts.length === asked.length;
}

function* sampled(requests: Arbitrary<FuzzRequest>, from: number): Generator<FuzzRequest> {
  for (let made = 0; made < aRoute; made += SLICE) {
    yield* fc.sample(requests, { numRuns: Math.min(SLICE, aRoute - made), seed: from + made });
  }
}

it.for(targets.map((operation, index) => ({ name: operation?.id ?? 'nothing', operation, index })))(
  `[API-1] [API-3] [SEC-13] [SEC-14] [DEP-1] [AV-5] $name keeps the laws in each of ${aRoute} answers`,
  { timeout: 600_000 },
  async ({ operation, index }) => {
    if (index === 0) console.log(`fuzzing with FUZZ_SEED=${seed}`);
    const requests = operation ? requestsFor(operation, known) : requestsForNothing(known);
    const shared = sampled(requests, seed + index * 1_000_003);
    const faulty: string[] = [];
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => await fuzz(operation, shared, faulty)));
    expect(faulty).toEqual([]);
  },
);

it('[TEST-3] most fuzzed requests are let in, many reach the use case, and every status occurs', () => {
  console.log(`${sent} requests, ${authenticated} let in, ${inUseCase} in the use case:`, histogram, codes);
  expect(authenticated / sent).toBeGreaterThan(0.6);
  expect(inUseCase / sent).toBeGreaterThan(0.3);
  // Several long texts in one request happen to be more than a request's headers may be.
  const statuses = [...histogram.keys()].filter((status) => status !== 431);
  expect(new Set(statuses)).toEqual(
    new Set([200, 201, 204, 400, 401, 404, 405, 406, 409, 413, 414, 415, 422]),
  );
});

it('[Q-3] [SEC-11] the fuzzed database has the jobs that were answered with 201, and nobody else’s was touched', async () => {
  expect(await jobsIn(database, client)).toEqual([...queued].toSorted());
  expect(await jobsIn(database, stranger)).toEqual(strangersJobs);
});

it('[AV-1] [AV-5] [OBS-2] the fuzzed service is alive and has logged no exception', async () => {
  expect(await (await fetch(`${service.apiUrl}/health`)).json()).toEqual({ status: 'ok' });
  expect(service.child.exitCode).toBeNull();
  const messages = service.logs().map(({ message }) => String(message));
  expect(messages).toContain('security violation');
  expect(messages.filter((message) => !/^security violations?(?: suppressed)?$/.test(message))).toEqual([]);
});
