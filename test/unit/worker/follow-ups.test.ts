import { completed } from '#src/application/jobs/completed.ts';
import { defineJob } from '#src/application/jobs/define-job.ts';
import { MAX_FOLLOW_UPS, MAX_FOLLOW_UP_CHARACTERS } from '#src/application/jobs/follow-ups.ts';
import type { JobRequest, JsonValue } from '#src/domain/jobs/job.ts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { job, pass, settled, workerOn } from './setup.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const mail = defineJob({
  type: 'mail',
  description: 'For tests.',
  payload: z.strictObject({ to: z.string(), subject: z.string().default('Hello') }),
  retry: { maxAttempts: 7, initialDelaySeconds: 1, factor: 1, maxDelaySeconds: 1 },
  timeoutSeconds: 1,
  handler: async () => null,
});

/** The outcome of a job whose handler asks for these. */
async function outcomeWith(followUps: readonly JobRequest[]) {
  const order = job('order', async () => completed({ ordered: true }, followUps));
  const { worker, offer, outcomeOf } = workerOn([mail, order]);
  const offered = offer('order');
  await settled(worker.start());
  await pass(10);
  await settled(worker.drain());
  return outcomeOf(offered);
}

const mailTo = (to: unknown): JobRequest => ({ type: 'mail', payload: { to: to as JsonValue } });

it('reports the follow-ups of a job with its result, as they were asked for', async () => {
  const options = { timeoutSeconds: 5 };
  const second = { ...mailTo('b'), priority: 3, uniqueKey: 'b', options };
  expect(await outcomeWith([mailTo('a'), second])).toEqual({
    status: 'completed',
    result: { ordered: true },
    followUps: [
      { type: 'mail', payload: { to: 'a' }, maxAttempts: 7 },
      { type: 'mail', payload: { to: 'b' }, maxAttempts: 7, priority: 3, uniqueKey: 'b', options },
    ],
  });
});

it.each([
  [
    'an unknown type',
    { type: 'post', payload: null },
    '/1/type (Unknown job type. Known types: mail, order.)',
  ],
  [
    'a payload that does not fit',
    mailTo(1),
    '/1/payload/to (Invalid input: expected string, received number)',
  ],
  ['text that cannot be stored', mailTo('\0'), '/1/payload/to (Text must not contain NUL characters'],
])('fails for good, and says why, when a follow-up has %s', async (_name, followUp, fault) => {
  const error = `The handler asked for a follow-up job that is not valid: ${fault}`;
  expect(await outcomeWith([mailTo('a'), followUp])).toEqual({
    status: 'failed',
    error: expect.stringContaining(error) as string,
  });
});

it.each([
  ['are too many', Array.from({ length: MAX_FOLLOW_UPS + 1 }, () => mailTo('a')), /more than 1000 follow-up/],
  ['are too large', [mailTo('x'.repeat(MAX_FOLLOW_UP_CHARACTERS))], /more than 4194304 characters/],
  ['are no JSON', [mailTo(1n)], /not JSON/],
])('fails for good, and says why, when follow-ups %s', async (_name, followUps, error) => {
  expect(await outcomeWith(followUps)).toEqual({
    status: 'failed',
    error: expect.stringMatching(error) as string,
  });
});
