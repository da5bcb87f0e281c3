import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { webhookTo } from '#test/support/jobs.ts';
import { testApi } from './setup.ts';

const MAX_DEPTH = 64;
const MAX_VALUES = 20_000;

const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const wide = (values: number): string => `[${Array.from({ length: values }, () => '0').join()}]`;
/** A job whose webhook has this body. */
const jobOf = (body: string): string =>
  `{"type":"webhook.deliver","payload":{"url":"https://a.example","body":${body}}}`;
/** Job, type, payload, URL, and the array itself. */
const VALUES_AROUND = 5;

async function answerTo(payload: string | Buffer, coding?: string): Promise<[number, unknown]> {
  const { request } = await testApi();
  const headers = { 'content-type': 'application/json', ...(coding && { 'content-encoding': coding }) };
  const response = await request({ method: 'POST', url: '/v1/jobs', headers, payload });
  return [response.statusCode, response.json<{ code?: string }>().code];
}

describe('[SEC-13] before JSON is read it is measured:', () => {
  it.for([
    ['as deep as may be', jobOf(nested(MAX_DEPTH - 2)), [201, undefined]],
    ['deeper', jobOf(nested(MAX_DEPTH - 1)), [422, 'validation_failed']],
    ['deep and without an end', '['.repeat(MAX_DEPTH + 1), [422, 'validation_failed']],
    ['as many values as may be', jobOf(wide(MAX_VALUES - VALUES_AROUND)), [201, undefined]],
    ['one more', jobOf(wide(MAX_VALUES - VALUES_AROUND + 1)), [413, 'body_too_large']],
    ['many empty objects', `[${'{},'.repeat(MAX_VALUES)}{}]`, [413, 'body_too_large']],
    ['only commas', ','.repeat(MAX_VALUES), [413, 'body_too_large']],
  ] as const)('%s', async ([, payload, answer]) => {
    expect(await answerTo(payload)).toEqual(answer);
  });

  it.for([
    ['signs', '[{,'.repeat(MAX_VALUES)],
    ['quotes', '"[{,'.repeat(MAX_VALUES)],
    ['backslashes', '\\'.repeat(7)],
    ['a backslash at its end, and signs behind', '\\'],
  ])('a text of %s has no values', async ([, text]) => {
    const body = JSON.stringify([text, text]);
    expect(await answerTo(jobOf(body))).toEqual([201, undefined]);
  });

  it('what follows a text is counted again', async () => {
    for (const text of ['', '\\', '"', '\\"', '"\\']) {
      expect(await answerTo(jobOf(`[${JSON.stringify(text)},${nested(MAX_DEPTH)}]`))).toEqual([
        422,
        'validation_failed',
      ]);
    }
  });

  it('a full batch of jobs is within the measure', async () => {
    const { request } = await testApi();
    const jobs = Array.from({ length: 1000 }, () =>
      webhookTo('https://a.example', { priority: 1, unique_key: 'a' }),
    );
    const response = await request({ method: 'POST', url: '/v1/jobs/batch', payload: { jobs } });
    expect(response.statusCode).toBe(201);
  });
});

it('[API-3] a compressed body is of a type that is not taken, not malformed', async () => {
  const body = jobOf('1');
  expect(await answerTo(gzipSync(body), 'gzip')).toEqual([415, 'media_type_unsupported']);
  expect(await answerTo(body, 'identity')).toEqual([201, undefined]);
});
