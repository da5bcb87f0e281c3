import { RECKONED_HEADERS } from '#src/adapters/inbound/http/examples/problems.ts';
import { REPLAYED_HEADER } from '#src/adapters/inbound/http/plugins/idempotency.ts';
import { PROBLEM_TYPES, type Problem } from '#src/adapters/inbound/http/problems/problems.ts';
import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { postgresApiKeyAdministration } from '#src/adapters/outbound/postgres/api-key-administration.ts';
import { translateError } from '#src/adapters/outbound/postgres/errors.ts';
import { postgresQueueStore } from '#src/adapters/outbound/postgres/queue-store.ts';
import { apiKeyUseCases } from '#src/application/access/api-keys.ts';
import { jobRegistry } from '#src/application/jobs/registry.ts';
import { queueUseCases } from '#src/application/queue/use-cases.ts';
import { permissionsOf } from '#src/domain/access/permission.ts';
import type { InjectOptions } from 'fastify';
import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import { ANY_LOAD, JOB, principal, testApi } from '../http/setup.ts';
import { type Response, document, operations } from './document.ts';

const JSON_BODY = { 'content-type': 'application/json' };
const post = (payload: object | string, headers: Record<string, string> = JSON_BODY): InjectOptions => ({
  method: 'POST',
  url: '/v1/jobs',
  payload,
  headers,
});

describe('[API-1] the examples of an operation', () => {
  it.for(operations)('$name are a request that succeeds', async (operation) => {
    const { method, path, parameters = [], requestBody, responses } = operation;
    const query = Object.fromEntries(
      parameters.filter((one) => one.in === 'query').map(({ name, example }) => [name, String(example)]),
    );
    const url = parameters
      .filter((one) => one.in === 'path')
      .reduce((text, { name, example }) => text.replace(`{${name}}`, String(example)), path);
    const body = requestBody?.content['application/json']?.example as object | undefined;
    const { request } = await testApi();
    const answer = await request({ method, url, query, ...(body && { payload: body }) });
    expect(answer.statusCode).toBeLessThan(300);
    const documented = responses[answer.statusCode];
    expect(documented).toBeDefined();
    const headers = Object.keys(documented?.headers ?? {}).filter((name) => name !== REPLAYED_HEADER);
    expect(Object.keys(answer.headers)).toEqual(expect.arrayContaining(headers));
  });
});

/** The use cases over a database that answers this and nothing else. */
const queueAnswering = (answer: unknown) => ({
  dependencies: {
    queue: queueUseCases({
      transactions: { transaction: () => Promise.resolve(answer as never) },
      store: postgresQueueStore,
      registry: jobRegistry,
    }),
  },
});

const completed = queueAnswering({ ...JOB, status: 'completed' });
const taken = Object.assign(new DatabaseError('', 0, 'error'), { constraint: 'job_unique_key' });
const webhook = { type: 'webhook.deliver' };
const getJob: InjectOptions = { url: `/v1/jobs/${JOB.id}` };

const keyed: InjectOptions = {
  method: 'POST',
  url: `/v1/jobs/${JOB.id}/cancel`,
  headers: { 'idempotency-key': 'a' },
};

const refusing = (constraint: string) => ({
  fault: translateError(Object.assign(new DatabaseError('', 0, 'error'), { constraint })),
});
const listQueues: InjectOptions = { url: '/v1/queues' };
const newKey = (role: string, ...scopes: string[]): InjectOptions => ({
  method: 'POST',
  url: '/v1/api-keys',
  payload: { name: 'client', role, scopes },
});
/** A key that may make keys, and nothing else. */
const maker = {
  ...principal('api_key:maker'),
  permissions: permissionsOf('admin', ['api_keys:write']),
};
const making = {
  dependencies: { authenticate: Object.assign(async () => maker, { known: () => maker }) },
};
const noKey = {
  dependencies: {
    apiKeys: apiKeyUseCases({
      transactions: {
        transaction: async (_context, work) =>
          await (work as (run: unknown) => Promise<never>)(() => Promise.resolve(undefined)),
      },
      store: postgresApiKeyAdministration,
      newSecret: newApiKey,
    }),
  },
};
const revoke: InjectOptions = { method: 'POST', url: `/v1/api-keys/${JOB.id}/revoke` };

const PROVOKED: [example: string, InjectOptions, Parameters<typeof testApi>[0]?][] = [
  ['request_malformed', post('{"type":')],
  ['unauthenticated', { ...getJob, headers: { authorization: '' } }],
  ['permission_denied', { method: 'POST', url: '/v1/queues/a/purge' }, { role: 'operator' }],
  ['privilege_escalation', newKey('auditor', 'audit:read'), making],
  ['api_key_not_found', revoke, noKey],
  ['api_key_name_taken', listQueues, refusing('api_key_name')],
  ['api_key_rotating', listQueues, refusing('api_key_rotation')],
  ['job_not_found', getJob, queueAnswering(undefined)],
  ['not_acceptable', { ...getJob, headers: { accept: 'text/html' } }],
  ['job_not_cancellable', { method: 'POST', url: `/v1/jobs/${JOB.id}/cancel` }, completed],
  ['job_not_retryable', { method: 'POST', url: `/v1/jobs/${JOB.id}/retry` }, completed],
  ['unique_key_taken', getJob, { fault: translateError(taken) }],
  ['idempotency_key_invalid', { ...keyed, headers: { 'idempotency-key': 'a b' } }],
  ['idempotency_key_in_use', keyed, { claim: { state: 'in_use' } }],
  ['idempotency_key_reused', keyed, { claim: { state: 'reused' } }],
  ['idempotency_answer_not_kept', keyed, { claim: { state: 'done', answer: undefined } }],
  ['body_too_large', post(JSON.stringify('x'.repeat(300 * 1024)))],
  ['url_too_long', { url: `/v1/jobs/${'a'.repeat(1000)}` }],
  ['media_type_unsupported', post('a=1', { 'content-type': 'text/plain' })],
  ['cursor_invalid', { url: '/v1/jobs?cursor=x' }],
  ['job_type_unknown', post({ type: 'x', payload: {} })],
  ['payload_invalid', post({ ...webhook, payload: { url: 'mailto:a@example.com', body: {} } })],
  ['validation_failed', post({ payload: {}, attempts: 3 })],
  ['validation_failed_parameter', { url: '/v1/jobs?limit=101' }],
  ['rate_limited', getJob, { options: { limits: { authenticatedPerMinute: 0, anonymousPerMinute: 0 } } }],
  ['internal_error', getJob, { fault: new Error('A fault.') }],
  ['overloaded', getJob, { options: { load: { ...ANY_LOAD, inFlight: 0, waiting: 0 } } }],
  ['database_unavailable', getJob, { fault: translateError(new Error('Connection terminated')) }],
];
/** From the same table: sockets.test.ts and bounds.test.ts. */
const PROVOKED_ELSEWHERE = ['request_timeout', 'headers_too_large', 'answer_timeout'];

/** By name: the documents, and the response that each belongs to. */
const problems = new Map(
  Object.values(document.components.responses).flatMap((response: Response) =>
    Object.entries(response.content?.['application/problem+json']?.examples ?? {}).map(
      ([name, { value }]) => [name, { value, response }] as const,
    ),
  ),
);

describe('[API-3] the example of a problem is what the service answers:', () => {
  it.for(PROVOKED)('%s', async ([name, options, overrides]) => {
    const { request } = await testApi(overrides);
    const answer = await request(options);
    const { value, response } = problems.get(name) ?? {};
    expect({ ...answer.json(), trace_id: '' }).toEqual({ ...(value as object), trace_id: '' });
    const { code } = value as Problem;
    const headers = Object.keys({ ...PROBLEM_TYPES[code].headers, ...RECKONED_HEADERS[code] });
    for (const said of [answer.headers, response?.headers ?? {}]) {
      expect(Object.keys(said)).toEqual(expect.arrayContaining(headers));
    }
  });

  it('and each of them has been provoked here', () => {
    const provoked = [...PROVOKED.map(([name]) => name), ...PROVOKED_ELSEWHERE];
    expect([...problems.keys()].toSorted()).toEqual(provoked.toSorted());
  });
});
