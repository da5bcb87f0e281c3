import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CLOSE, attackedService, expectProblem, statusesOf } from '#test/support/attacked-service.ts';
import { webhookTo } from '#test/support/jobs.ts';

const { send, get, post, process, client, jobs } = await attackedService();

const KIB = 1024;
/** Of the server's: it looks every 5 s for headers that took longer than 10 s. */
const SLOWEST_HEADERS_MS = 15_000;
/** And for requests that took longer than 30 s; 3 s are for a busy machine. */
const SLOWEST_REQUEST_MS = 38_000;
/** It was 2.6 s where nothing counted the values; a tenth of that on a machine with nothing else to do. */
const SLOWEST_PROBE_MS = 800;
const SLOWEST_ANSWER_MS = 5000;
const LORIS_MS = 500;
const LORISES = 50;

const json = (body: string): string => post(`Content-Length: ${Buffer.byteLength(body)}\r\n${CLOSE}`, body);

const deep = (levels: number, open: string, close: string): string =>
  open.repeat(levels) + close.repeat(levels);
const job = (payload: string): string => `{"type":"webhook.deliver","payload":${payload}}`;

describe('[SEC-13] [API-3] what is too large is refused', () => {
  it.for([
    ['a header', get('/v1/workers', `X-Bomb: ${'x'.repeat(20 * KIB)}\r\n`)],
    ['headers together', get('/v1/workers', 'a: b\r\n'.repeat(4000))],
    ['the number of headers', get('/v1/workers', 'a: b\r\n'.repeat(99))],
    [
      'a trailer',
      post('Transfer-Encoding: chunked\r\n', `2\r\n{}\r\n0\r\nX-Bomb: ${'x'.repeat(20 * KIB)}\r\n\r\n`),
    ],
  ] as const)('%s: 431', async ([, bytes]) => {
    const { answers, ended } = await send(bytes);
    expectProblem(answers[0], 431, 'headers_too_large');
    expect(ended).toBe(true);
  });

  it.for([
    ['a body', json(`"${'x'.repeat(256 * KIB)}"`)],
    ['a body that is only announced', post('Content-Length: 9007199254740993\r\n', '')],
    [
      'the body of an operation without one',
      json('')
        .replace('/v1/jobs', '/v1/queues/webhook.deliver/pause')
        .replace('Content-Length: 0', 'Content-Length: 1025') + 'x'.repeat(1025),
    ],
    [
      'the extensions of a chunk',
      post('Transfer-Encoding: chunked\r\n', `2;${'x'.repeat(20 * KIB)}\r\n{}\r\n0\r\n\r\n`),
    ],
  ] as const)('%s: 413', async ([, bytes]) => {
    const before = await jobs();
    const { answers, ended } = await send(bytes);
    expectProblem(answers[0], 413, 'body_too_large');
    expect(ended).toBe(true);
    expect(await jobs()).toBe(before);
  });

  it('a part of the path, and a path that the parser cannot hold: 414', async () => {
    const [part, whole] = [
      await send(get(`/v1/jobs/${'a'.repeat(1000)}`)),
      await send(get(`/${'a'.repeat(20 * KIB)}`)),
    ];
    expectProblem(part.answers[0], 414, 'url_too_long');
    expectProblem(whole.answers[0], 414, 'url_too_long');
    expect(whole.ended).toBe(true);
  });

  it('a body without end, of which no more is read', async () => {
    const chunk = `10000\r\n${'x'.repeat(64 * KIB)}\r\n`;
    const { answers, ended } = await send([
      post('Transfer-Encoding: chunked\r\n', ''),
      ...Array.from({ length: 20 }, () => chunk),
    ]);
    expectProblem(answers[0], 413, 'body_too_large');
    expect(ended).toBe(true);
  });

  it.for([
    ['an id', `/v1/jobs/${'f'.repeat(800)}`],
    ['a job type', `/v1/jobs?type=${'x'.repeat(8000)}`],
    ['a cursor', `/v1/jobs?cursor=${'x'.repeat(8000)}`],
    ['a number', `/v1/jobs?limit=${'9'.repeat(8000)}`],
    ['a thousand parameters', `/v1/jobs?${'a=1&'.repeat(1000)}`],
  ] as const)('%s: 422', async ([, path]) => {
    const { answers } = await send(get(path));
    expect(answers).toHaveLength(1);
    expectProblem(answers[0], 422, 'validation_failed');
  });
});

describe('[SEC-13] JSON that takes long to read or to check is refused or read in no time', () => {
  it.for([
    ['deep arrays', job(deep(100_000, '[', ']')), 422],
    ['deep objects', job(`${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`), 422],
    ['open arrays', '['.repeat(200_000), 422],
    ['many members', job(`{${Array.from({ length: 20_000 }, (_, n) => `"m${n}":1`).join(',')}}`), 413],
    ['one member many times', `{${'"type":"a",'.repeat(20_000)}"payload":1}`, 413],
    ['a long number', job('9'.repeat(200_000)), 422],
    ['a long exponent', job(`1e${'9'.repeat(200_000)}`), 422],
    ['a long URL', JSON.stringify(webhookTo(`https://${'a.'.repeat(100_000)}`)), 422],
    ['a URL of slashes', JSON.stringify(webhookTo(`https:${'/'.repeat(200_000)}@`)), 422],
    [
      'a long time',
      `{"type":"webhook.deliver","payload":{},"run_at":"2026-01-01T00:00:00.${'0'.repeat(200_000)}Z"}`,
      422,
    ],
    [
      'a header of tabs',
      JSON.stringify(
        webhookTo('https://example.com', {
          payload: { url: 'https://example.com', body: 1, headers: { a: `${'\t'.repeat(100_000)}\u0000` } },
        }),
      ),
      422,
    ],
    [
      'a header name',
      JSON.stringify(
        webhookTo('https://example.com', {
          payload: { url: 'https://example.com', body: 1, headers: { ['a'.repeat(200_000)]: 'b' } },
        }),
      ),
      422,
    ],
  ] as const)('%s', async ([, body, status]) => {
    const startedAt = performance.now();
    const answer = await send(json(body));
    expect(statusesOf(answer)).toEqual([status]);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});

const inBatch = (body: string): string => `{"jobs":[${job(`{"url":"https://example.com","body":${body}}`)}]}`;
/** Copies of it with commas between. */
const many = (one: string, bytes = 4000 * KIB): string =>
  Array.from({ length: Math.floor(bytes / (one.length + 1)) }, () => one).join(',');

/** The longest wait for a probe in milliseconds while something else goes on. */
async function slowestProbe(meanwhile: Promise<unknown>): Promise<number> {
  const progress = { isOver: false };
  const over = meanwhile.finally(() => {
    progress.isOver = true;
  });
  let slowest = 0;
  while (!progress.isOver) {
    const startedAt = performance.now();
    await fetch(`${process.apiUrl}/health`);
    slowest = Math.max(slowest, performance.now() - startedAt);
  }
  await over;
  return slowest;
}

describe('[SEC-13] [AV-7] nobody waits for a body that takes long to read or to check', () => {
  it.for([
    ['jobs that are none', `{"jobs":[${many('0')}]}`, 413],
    ['empty arrays', inBatch(`[${many('[]')}]`), 413],
    ['small objects', inBatch(`[${many('{"a":1}')}]`), 413],
    ['deep arrays', inBatch(`[${many(deep(55, '[', ']'))}]`), 413],
    ['members', `{${Array.from({ length: 300_000 }, (_, n) => `"m${n}":1`).join(',')}}`, 413],
    ['as many values as may be', inBatch(`[${many('0', 39 * KIB)}]`), 201],
    ['one long text', inBatch(`"${'x'.repeat(4000 * KIB)}"`), 201],
    ['a text of escapes', inBatch(`"${String.raw`\"`.repeat(2000 * KIB)}"`), 201],
  ] as const)('%s', async ([, body, status]) => {
    const bytes = json(body).replace('/v1/jobs', '/v1/jobs/batch');
    const asking = send(bytes, SLOWEST_ANSWER_MS);
    const slowest = await slowestProbe(asking);
    expect(statusesOf(await asking)).toEqual([status]);
    expect(slowest).toBeLessThan(SLOWEST_PROBE_MS);
  });
});

describe('[SEC-13] headers that take long to check', () => {
  it.for([
    ['a key behind spaces', `Authorization: Bearer ${' '.repeat(12_000)}x y`],
    ['a key before spaces', `Authorization: Bearer x${' '.repeat(12_000)}y`],
    ['a trace', `traceparent: 00-${'0'.repeat(12_000)}`],
    ['forwarding', `X-Forwarded-For: ${'1,'.repeat(6000)}`],
    ['media types', `Accept: ${'a/b;q=0.1,'.repeat(1200)}`],
    ['a media type', `Content-Type: application/json;${' a=b;'.repeat(2000)}`],
    ['an origin', `Origin: https://${'a.'.repeat(6000)}`],
  ] as const)('%s', async ([, line]) => {
    const { answers, ms } = await send(
      `GET /v1/workers HTTP/1.1\r\nHost: localhost\r\n${line}\r\n${CLOSE}\r\n`,
    );
    expect(answers).toHaveLength(1);
    expect(ms).toBeLessThan(1000);
  });
});

const slow = async () =>
  await send(['GET /v1/workers HTTP/1.1\r\nHost: localhost\r\n', 'X-Slow: '], SLOWEST_HEADERS_MS + 5000);

it(
  '[SEC-13] a client that never finishes its body is answered 408, however it drips',
  { timeout: 60_000 },
  async () => {
    const drips = Array.from({ length: 5000 }, () => 'x');
    const { answers, ended, ms } = await send([post('Content-Length: 5000\r\n', ''), ...drips]);
    expectProblem(answers[0], 408, 'request_timeout');
    expect(ended).toBe(true);
    expect(ms).toBeLessThan(SLOWEST_REQUEST_MS);
  },
);

it('[SEC-13] [AV-7] clients that never finish their headers are answered 408 and harm nobody meanwhile', async () => {
  const lorises = Array.from({ length: LORISES }, slow);
  await sleep(LORIS_MS);
  const startedAt = performance.now();
  expect((await client.request('GET', '/v1/workers')).status).toBe(200);
  expect((await fetch(`${process.apiUrl}/health`)).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(LORIS_MS);
  for (const { answers, ended, ms } of await Promise.all(lorises)) {
    expectProblem(answers[0], 408, 'request_timeout');
    expect(ended).toBe(true);
    expect(ms).toBeLessThan(SLOWEST_HEADERS_MS + 3000);
  }
});
