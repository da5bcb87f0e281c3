import { DomainError, type ErrorCode } from '#src/domain/errors.ts';
import { describe, expect, it } from 'vitest';
import { JOB, testApi } from './setup.ts';

const job = { url: `/v1/jobs/${JOB.id}` };
const post = (payload: unknown, headers: Record<string, string> = {}) => ({
  method: 'POST' as const,
  url: '/v1/jobs',
  payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  headers: { 'content-type': 'application/json', ...headers },
});

describe('[API-3] a refusal of the domain is a problem detail', () => {
  it.for<[ErrorCode, number, string]>([
    ['unauthenticated', 401, 'Not authenticated'],
    ['validation_failed', 422, 'Invalid request'],
    ['job_not_found', 404, 'No such job'],
    ['job_type_unknown', 422, 'Unknown job type'],
    ['payload_invalid', 422, 'Invalid payload'],
    ['cursor_invalid', 422, 'Invalid cursor'],
    ['job_not_cancellable', 409, 'Job cannot be cancelled'],
    ['job_not_retryable', 409, 'Job cannot be retried'],
    ['unique_key_taken', 409, 'Unique key taken'],
    ['idempotency_key_in_use', 409, 'Idempotency key in use'],
    ['idempotency_key_reused', 422, 'Idempotency key reused'],
    ['idempotency_answer_not_kept', 409, 'Done already, answer not kept'],
    ['database_unavailable', 503, 'Database unavailable'],
  ])('%s is %i', async ([code, status, title]) => {
    const fields = [{ pointer: '/payload/a#b~1ü', detail: 'Wrong.' }];
    const { request } = await testApi({ fault: new DomainError(code, 'What to do.', { fields }) });
    const response = await request(job);
    expect(response.statusCode).toBe(status);
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(response.json()).toEqual({
      type: `urn:dragonfly:problem:${code.replaceAll('_', '-')}`,
      title,
      status,
      detail: 'What to do.',
      code,
      trace_id: response.headers['x-trace-id'],
      errors: [{ pointer: '#/payload/a%23b~1%C3%BC', detail: 'Wrong.' }],
    });
  });

  it('says when to come back while the database is away', async () => {
    const { request } = await testApi({ fault: new DomainError('database_unavailable', 'Try again.') });
    expect((await request(job)).headers['retry-after']).toBe('2');
  });
});

describe('[API-3] a refusal of the protocol is a problem detail', () => {
  const tooLarge = JSON.stringify({ type: 'a', payload: 'x'.repeat(300 * 1024) });

  it.for([
    ['malformed JSON', post('{"type":'), 400, 'request_malformed'],
    ['a poisoned prototype', post('{"__proto__":{"a":1}}'), 400, 'request_malformed'],
    ['an unknown route', { url: '/nowhere' }, 404, 'route_not_found'],
    [
      'a method that a route does not have',
      { url: '/v1/jobs', method: 'DELETE' as const },
      405,
      'method_not_allowed',
    ],
    ['an answer that is no JSON', { ...job, headers: { accept: 'text/html' } }, 406, 'not_acceptable'],
    ['a badly encoded URL', { url: '/v1/jobs/%zz' }, 400, 'request_malformed'],
    ['a part of the path that is too long', { url: `/v1/jobs/${'a'.repeat(1000)}` }, 414, 'url_too_long'],
    ['a body that is too large', post(tooLarge), 413, 'body_too_large'],
    ['a body that is too large for no route', { ...post(tooLarge), url: '/nowhere' }, 404, 'route_not_found'],
    ['another media type', post('a=1', { 'content-type': 'text/plain' }), 415, 'media_type_unsupported'],
    ['no media type', post('a=1', { 'content-type': '' }), 415, 'media_type_unsupported'],
  ] as const)('%s', async ([, options, status, code]) => {
    const { request } = await testApi();
    const response = await request(options);
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(response.json()).toEqual({
      type: `urn:dragonfly:problem:${code.replaceAll('_', '-')}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
      trace_id: response.headers['x-trace-id'],
    });
    expect(response.statusCode).toBe(status);
  });
});

it('[AV-5] says nothing of an exception', async () => {
  const secret = 'postgres://user:hunter2@db.internal/x: select * from ops.job at /srv/dist/pool.js:1';
  const { request } = await testApi({ fault: new Error(secret, { cause: new Error(secret) }) });
  const response = await request(job);
  expect(response.statusCode).toBe(500);
  expect(response.json()).toEqual({
    type: 'urn:dragonfly:problem:internal-error',
    title: 'Internal error',
    status: 500,
    detail: 'Something went wrong on our side. Report the trace id if it happens again.',
    code: 'internal_error',
    trace_id: response.headers['x-trace-id'],
  });
});

it('[AV-5] says nothing of what stands behind a refusal', async () => {
  const cause = new Error('connect ECONNREFUSED 10.0.0.7:5432');
  const { request } = await testApi({
    fault: new DomainError('database_unavailable', 'Try again.', { cause }),
  });
  expect((await request(job)).body).not.toContain('10.0.0.7');
});
