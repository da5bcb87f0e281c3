import { idempotency } from '#src/adapters/inbound/http/plugins/idempotency.ts';
import { answerTimeout } from '#src/adapters/inbound/http/plugins/answer-timeout.ts';
import { problemDetails } from '#src/adapters/inbound/http/plugins/problem-details.ts';
import { makeIdempotency } from '#src/application/idempotency/idempotency.ts';
import type { Answer, Claim, IdempotencyStore } from '#src/application/idempotency/ports.ts';
import { DomainError } from '#src/domain/errors.ts';
import Fastify, { type FastifyInstance, type InjectOptions } from 'fastify';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { testApi, principal } from './setup.ts';

const keyed = (url: string, method: 'POST' | 'GET' = 'POST'): InjectOptions => ({
  method,
  url,
  headers: { 'idempotency-key': 'a' },
});

/** Routes that end in every way, over a store that notes what becomes of each execution. */
async function apiWith(claim?: Claim) {
  const ends: unknown[] = [];
  const claimed: Claim = {
    state: 'claimed',
    execution: {
      transaction: {},
      commit: async (answer) => void ends.push(answer),
      rollBack: async () => void ends.push('rolled back'),
    },
  };
  const store = { claim: vi.fn<IdempotencyStore['claim']>(async () => claim ?? claimed) };
  const registry = new Registry();
  const app: FastifyInstance = Fastify();
  onTestFinished(async () => {
    await app.close();
  });
  await app.register(problemDetails);
  await app.register(answerTimeout);
  app.decorateRequest('principal', null);
  app.addHook('onRequest', (request, reply, next) => {
    request.principal = principal('api_key:a');
    reply.header('x-always', 'there').header('ratelimit', 'r=1');
    next();
  });
  await app.register(idempotency, { idempotency: makeIdempotency(store), registry });
  const config = { permission: 'jobs:queue' } as const;
  app.post('/done', { config }, (_request, reply) => reply.header('etag', '"1"').send({ done: true }));
  app.post('/secret', { config: { ...config, secretAnswer: true } }, () => ({ secret: 'dfk_' }));
  app.post('/buffer', { config }, (_request, reply) => reply.send(Buffer.from('bytes')));
  app.post('/refused', { config: { ...config, secretAnswer: true } }, () => {
    throw new DomainError('job_not_found', 'No.');
  });
  app.post('/broken', { config }, () => {
    throw new Error('A fault.');
  });
  app.post('/hangs', { config }, () => new Promise(() => {}));
  app.get('/read', { config }, () => ({}));
  return { app, ends, store, registry };
}

const committed = (ends: readonly unknown[]): Answer | undefined => ends[0] as Answer;

describe('[API-5] a request with a key', () => {
  it('keeps what its handler said: not what is of every answer, nor of this connection', async () => {
    const { app, ends } = await apiWith();
    app.addHook('onSend', (_request, reply, payload, next) => {
      reply.header('connection', 'close');
      next(null, payload);
    });
    await app.inject(keyed('/done'));
    expect(committed(ends)).toEqual({
      status: 200,
      headers: { etag: '"1"', 'content-type': 'application/json; charset=utf-8' },
      body: '{"done":true}',
    });
  });

  it('[SEC-1] keeps no secret that is shown once, but that the request was done', async () => {
    const { app, ends } = await apiWith();
    expect((await app.inject(keyed('/secret'))).json()).toEqual({ secret: 'dfk_' });
    expect(ends.slice(0, 1)).toEqual([undefined]);
  });

  it('keeps no answer that is no text', async () => {
    const { app, ends } = await apiWith();
    expect((await app.inject(keyed('/buffer'))).body).toBe('bytes');
    expect(ends.slice(0, 1)).toEqual([undefined]);
  });

  it('[DATA-7] keeps a refusal, with what was recorded of it', async () => {
    const { app, ends } = await apiWith();
    expect((await app.inject(keyed('/refused'))).statusCode).toBe(404);
    expect(committed(ends)).toMatchObject({ status: 404 });
  });

  it('keeps nothing of a fault of ours', async () => {
    const { app, ends } = await apiWith();
    expect((await app.inject(keyed('/broken'))).statusCode).toBe(500);
    expect(new Set(ends)).toEqual(new Set(['rolled back']));
  });

  it('is rolled back when its answer takes too long', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { app, ends, store } = await apiWith();
    const answer = app.inject(keyed('/hangs'));
    await vi.waitFor(() => {
      expect(store.claim).toHaveBeenCalled();
    });
    vi.advanceTimersByTime(60_000);
    expect((await answer).json()).toMatchObject({ code: 'answer_timeout' });
    expect(new Set(ends)).toEqual(new Set(['rolled back']));
  });

  it('is replayed with headers of the answer’s own and of this request', async () => {
    const { app } = await apiWith({
      state: 'done',
      answer: {
        status: 201,
        headers: { etag: '"0"', 'content-type': 'text/plain; charset=utf-8' },
        body: 'as it was',
      },
    });
    const { statusCode, headers, body } = await app.inject(keyed('/done'));
    expect([statusCode, body]).toEqual([201, 'as it was']);
    expect(headers).toMatchObject({
      etag: '"0"',
      'content-type': 'text/plain; charset=utf-8',
      'x-always': 'there',
      'idempotency-replayed': 'true',
    });
  });

  it('[OBS-4] is counted by what became of it', async () => {
    const { app, registry } = await apiWith();
    for (const url of ['/done', '/refused', '/broken']) await app.inject(keyed(url));
    const text = await registry.metrics();
    expect(text).toContain('http_idempotent_requests_total{outcome="executed"} 2');
    expect(text).toContain('http_idempotent_requests_total{outcome="failed"} 1');
  });
});

it('[API-5] no other request asks for a key: one without the header, or of a safe method', async () => {
  const { app, store } = await apiWith();
  await app.inject({ method: 'POST', url: '/done' });
  await app.inject(keyed('/read', 'GET'));
  expect(store.claim).not.toHaveBeenCalled();
});

it('[API-5] the key stands for method, path, query and body as they were sent', async () => {
  const { app, store } = await apiWith();
  const send = async (url: string, payload?: object): Promise<void> => {
    await app.inject({ ...keyed(url), ...(payload && { payload }) });
  };
  await send('/done');
  await send('/done?a=1');
  await send('/done', { a: 1 });
  await send('/secret');
  const requests = store.claim.mock.calls.map(([, request]) => request);
  expect(requests.map(({ operation }) => operation)).toEqual([
    'POST /done',
    'POST /done',
    'POST /done',
    'POST /secret',
  ]);
  expect(new Set(requests.map(({ fingerprint }) => fingerprint)).size).toBe(4);
});

it('[SEC-10] a browser may send a key, and may see that it was a replay', async () => {
  const origin = 'https://app.example.com';
  const { request } = await testApi({ options: { corsOrigins: [origin] } });
  const { headers } = await request({
    method: 'OPTIONS',
    url: '/v1/jobs',
    headers: { origin, 'access-control-request-method': 'POST' },
  });
  expect(headers['access-control-allow-headers']).toContain('idempotency-key');
  const answer = await request({ url: '/v1/job-types', headers: { origin } });
  expect(answer.headers['access-control-expose-headers']).toContain('idempotency-replayed');
});
