import { webhookDeliver } from '#src/application/jobs/webhook.deliver.ts';
import type { WebhookAnswer, WebhookRequest } from '#src/application/jobs/ports.ts';
import { describe, expect, it } from 'vitest';

const accepts = (payload: unknown): boolean => webhookDeliver.payload.safeParse(payload).success;
const URL = 'https://hooks.example.com/in?a=b';

const RESERVED = [
  'host',
  'webhook-signature',
  'webhook-id',
  'traceparent',
  'content-length',
  'transfer-encoding',
  'connection',
  'expect',
  'user-agent',
];

const REFUSED: [string, unknown][] = [
  ['another scheme', { url: 'ftp://example.com', body: 1 }],
  ['a file', { url: 'file:///etc/passwd', body: 1 }],
  ['a relative URL', { url: '/in', body: 1 }],
  ['credentials in the URL', { url: 'https://user:pass@example.com', body: 1 }],
  ['no body', { url: URL }],
  ['an unknown field', { url: URL, body: 1, method: 'GET' }],
  ['a line break in a header', { url: URL, body: 1, headers: { 'x-a': 'b\r\nx-c: d' } }],
  ['a line break in a header name', { url: URL, body: 1, headers: { 'x-a: b\r\nx-c': 'd' } }],
  ['a character beyond ASCII in a header', { url: URL, body: 1, headers: { 'x-a': 'ü' } }],
  ['an upper-case header, which could hide a reserved one', { url: URL, body: 1, headers: { Host: 'a' } }],
  [
    'more than 20 headers',
    {
      url: URL,
      body: 1,
      headers: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`x-${n}`, ''])),
    },
  ],
  ...RESERVED.map((name): [string, unknown] => [
    `the header ${name}`,
    { url: URL, body: 1, headers: { [name]: 'x' } },
  ]),
];

describe('[SEC-13] the payload of webhook.deliver', () => {
  it('is a URL, any JSON and a few headers', () => {
    expect(accepts({ url: URL, body: { a: [1, null] } })).toBe(true);
    expect(accepts({ url: 'http://hooks.example.com:8080', body: null, headers: { 'x-token': 'a b' } })).toBe(
      true,
    );
  });

  it.each(REFUSED)('is not %s', (_name, payload) => {
    expect(accepts(payload)).toBe(false);
  });
});

const deliver = async (answer: WebhookAnswer, seen: WebhookRequest[] = []) =>
  await webhookDeliver.handler(
    { url: URL, body: 1, headers: {} },
    {
      jobId: 'job-1',
      attempt: 2,
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      organizationId: 'acme',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      signal: new AbortController().signal,
    },
    {
      webhooks: {
        async send(request) {
          seen.push(request);
          return answer;
        },
      },
    },
  );
const answering = async (status: number, retryAfterSeconds?: number) =>
  await deliver({ status, retryAfterSeconds });

describe('webhook.deliver', () => {
  it('sends the job id as the message id, so that receivers can drop what they have seen', async () => {
    const seen: WebhookRequest[] = [];
    await deliver({ status: 200, retryAfterSeconds: undefined }, seen);
    expect(seen).toMatchObject([{ messageId: 'job-1', organizationId: 'acme', url: URL }]);
  });

  it('[Q-7] continues the trace of its attempt', async () => {
    const seen: WebhookRequest[] = [];
    await deliver({ status: 200, retryAfterSeconds: undefined }, seen);
    expect(seen).toMatchObject([{ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }]);
  });

  it.each([200, 204, 299])('takes %i for delivered', async (status) => {
    expect(await answering(status)).toEqual({ status });
  });

  it.each([301, 302, 307, 308, 400, 401, 404, 410, 422])('gives up at %i', async (status) => {
    await expect(answering(status)).rejects.toMatchObject({ name: 'PermanentFailure' });
  });

  it.each([408, 425, 429, 500, 503])('tries again after %i, and not before it was told', async (status) => {
    await expect(answering(status, 17)).rejects.toMatchObject({ name: 'RetryLater', afterSeconds: 17 });
    await expect(answering(status)).rejects.toMatchObject({ name: 'RetryLater', afterSeconds: 0 });
  });
});
