import { PermanentFailure, RetryLater } from '#src/domain/jobs/failure.ts';
import type { JsonValue } from '#src/domain/jobs/job.ts';
import { z } from 'zod';
import { defineJob } from './define-job.ts';

/** Client errors that a later attempt may not meet: time-out, too early, too many requests. */
const TRANSIENT_CLIENT_ERRORS = new Set([408, 425, 429]);

/** Headers that the signature, the trace or the transport own. */
const RESERVED_HEADERS =
  /^(?:webhook-.*|traceparent|tracestate|host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-length|content-type|user-agent)$/;

const header = z
  .string()
  .max(1024)
  .regex(/^[\t\x20-\x7e]*$/, 'Printable ASCII only.');

const payload = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'An absolute http or https URL.' })
    .max(2048)
    .refine((text) => {
      const url = URL.parse(text);
      return url === null || (url.username === '' && url.password === '');
    }, 'Credentials in the URL are refused: use a header.'),
  // Whatever JSON there is: what is checked was parsed from JSON.
  body: z.custom<JsonValue>((body) => body !== undefined, 'Required.'),
  headers: z
    .record(
      z
        .string()
        .regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'A lower-case header name.')
        .refine((name) => !RESERVED_HEADERS.test(name), 'This header is set by the delivery itself.'),
      header,
    )
    .refine((headers) => Object.keys(headers).length <= 20, 'At most 20 headers.')
    .default({}),
});

/** A signed HTTP POST in the format of the Standard Webhooks specification (standardwebhooks.com). */
export const webhookDeliver = defineJob({
  type: 'webhook.deliver',
  description: 'Delivers a signed HTTP POST to a public address, with retries.',
  payload,
  retry: { maxAttempts: 8, initialDelaySeconds: 5, factor: 4, maxDelaySeconds: 43_200 },
  timeoutSeconds: 30,
  async handler({ url, body, headers }, { jobId, traceparent, organizationId, signal }, { webhooks }) {
    const answer = await webhooks.send({
      url,
      body,
      headers,
      messageId: jobId,
      organizationId,
      traceparent,
      signal,
    });
    const { status } = answer;
    if (status >= 200 && status < 300) return { status };
    if (status >= 300 && status < 400) {
      throw new PermanentFailure(
        `The receiver answered ${status}; redirects are not followed, change the URL.`,
      );
    }
    if (status < 500 && !TRANSIENT_CLIENT_ERRORS.has(status)) {
      throw new PermanentFailure(`The receiver refused the delivery with ${status}.`);
    }
    throw new RetryLater(`The receiver answered ${status}.`, answer.retryAfterSeconds ?? 0);
  },
});
