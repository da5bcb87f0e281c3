import { setImmediate } from 'node:timers/promises';
import type { Attempt } from '#src/application/worker/attempt.ts';
import { type Execution, type JobHandling, executeJob } from '#src/application/worker/execute-job.ts';
import { type AbortReason, JobAborted } from '#src/application/worker/job-aborted.ts';
import { registryOf } from '#src/application/jobs/registry.ts';
import { type JobDefinition, defineJob } from '#src/application/jobs/define-job.ts';
import { NotAttempted, PermanentFailure, RetryLater } from '#src/domain/jobs/failure.ts';
import type { ClaimedJob, JsonValue } from '#src/domain/jobs/job.ts';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { job, unusedPorts } from './setup.ts';

const claimed: ClaimedJob = {
  id: '0190d6f8-0000-7000-8000-000000000001',
  type: 'test',
  payload: { n: 1 },
  attempt: 1,
  maxAttempts: 3,
  leaseToken: '0190d6f8-0000-4000-8000-000000000002',
  priority: 0,
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  organizationId: null,
  options: null,
};

const TRACEPARENT = `00-${claimed.traceId}-00f067aa0ba902b7-01`;

const handling = (...definitions: JobDefinition[]): JobHandling => ({
  registry: registryOf(definitions),
  ports: unusedPorts,
});

/** One attempt, and what comes of it. */
function begin(
  definitions: readonly JobDefinition[],
  change: Partial<ClaimedJob> = {},
): { attempt: Attempt; execution: Promise<Execution> } {
  const ended = Promise.withResolvers<Execution>();
  const job = { ...claimed, ...change };
  const attempt = executeJob(handling(...definitions), job, TRACEPARENT, ended.resolve, () => 0);
  return { attempt, execution: ended.promise };
}

const execute = async (handler: JobDefinition['handler'], change?: Partial<ClaimedJob>) =>
  await begin([job('test', handler, 30)], change).execution;

const returning = async (value: unknown) => await execute(async () => value as JsonValue);

const forever = async (): Promise<never> => await new Promise(() => {});

const failWith = (error: Error) => async (): Promise<never> => {
  throw error;
};

const abortedWith = async (reason: AbortReason) => {
  const { attempt, execution } = begin([job('test', forever)]);
  attempt.abort(new JobAborted(reason));
  return await execution;
};

describe('executeJob', () => {
  it('hands payload, context and ports to the handler', async () => {
    const handler = vi.fn<JobDefinition['handler']>(async () => null);
    await execute(handler);
    const { id: jobId, traceId } = claimed;
    const context = { jobId, attempt: 1, traceId, traceparent: TRACEPARENT, organizationId: null };
    expect(handler).toHaveBeenCalledExactlyOnceWith({ n: 1 }, expect.objectContaining(context), unusedPorts);
  });

  it('completes with the result, storable by the database', async () => {
    expect(await returning({ text: 'a\0b\ud800', when: new Date(0), none: undefined })).toEqual({
      outcome: { status: 'completed', result: { text: 'a�b�', when: '1970-01-01T00:00:00.000Z' } },
    });
  });

  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a BigInt', { n: 1n }],
    ['a cycle', cyclic],
    ['more than 64 Ki characters', 'x'.repeat(65_536)],
  ])('[Q-3] fails for good, and clearly, when the result is %s', async (_name, value) => {
    expect((await returning(value)).outcome).toEqual({
      status: 'failed',
      error: expect.stringMatching(/^The handler returned /) as string,
    });
  });

  it('retries with the back-off of the job type, and keeps the messages of the causes', async () => {
    const cause = new Error('connection reset by \0peer');
    const { outcome, error } = await execute(failWith(new Error('No answer.', { cause })));
    expect(outcome).toEqual({
      status: 'retry',
      error: 'No answer. Cause: connection reset by �peer',
      backoffSeconds: 1,
    });
    expect(error).toMatchObject({ message: 'No answer.', cause });
  });

  it('retries with the back-off that the job asks for itself, and the rest of its type', async () => {
    const failing = failWith(new Error('No.'));
    const { outcome } = await execute(failing, { attempt: 2, options: { initialDelaySeconds: 10 } });
    expect(outcome).toMatchObject({ status: 'retry', backoffSeconds: 1 });
    const options = { initialDelaySeconds: 10, factor: 3, maxDelaySeconds: 100 };
    expect((await execute(failing, { attempt: 2, options })).outcome).toMatchObject({ backoffSeconds: 15 });
  });

  it('retries when a handler throws before its first await', async () => {
    const { outcome } = await execute(() => {
      throw new Error('At once.');
    });
    expect(outcome).toMatchObject({ status: 'retry', error: 'At once.' });
  });

  it('keeps to a longer wait that the handler was told', async () => {
    const { outcome } = await execute(failWith(new RetryLater('Later.', 1.5)));
    expect(outcome).toMatchObject({ status: 'retry', backoffSeconds: 1.5 });
  });

  it('gives the job back for as long as it was told when the handler did not even begin', async () => {
    const { outcome } = await execute(failWith(new NotAttempted('Left alone.', 1.5)), { attempt: 3 });
    expect(outcome).toEqual({ status: 'released', backoffSeconds: 1.5 });
  });

  it.each([NaN, -1])('takes a wait of %d s for none', async (seconds) => {
    const { outcome } = await execute(failWith(new NotAttempted('Left alone.', seconds)));
    expect(outcome).toEqual({ status: 'released', backoffSeconds: 0 });
    const { outcome: later } = await execute(failWith(new RetryLater('Later.', seconds)));
    expect(later).toMatchObject({ status: 'retry', backoffSeconds: 1 });
  });

  it('[Q-5] makes a dead letter after the last attempt, and at once after a permanent failure', async () => {
    expect((await execute(failWith(new Error('No.')), { attempt: 3 })).outcome).toEqual({
      status: 'failed',
      error: 'No.',
    });
    expect((await execute(failWith(new PermanentFailure('Never.')))).outcome).toEqual({
      status: 'failed',
      error: 'Never.',
    });
  });

  it('fails for good when the payload no longer fits, or nobody handles the type', async () => {
    const strict = defineJob({
      type: 'test',
      description: 'For tests.',
      payload: z.strictObject({ n: z.string() }),
      retry: { maxAttempts: 3, initialDelaySeconds: 1, factor: 1, maxDelaySeconds: 1 },
      timeoutSeconds: 1,
      handler: async () => null,
    });
    expect((await begin([strict]).execution).outcome).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('The payload is invalid') as string,
    });
    expect((await begin([]).execution).outcome).toEqual({
      status: 'failed',
      error: 'This worker has no handler for test.',
    });
  });

  describe('when it is ended from outside', () => {
    it('has nothing to report of a cancelled job or a lost lease', async () => {
      expect(await abortedWith('cancelled')).toMatchObject({ outcome: undefined, aborted: 'cancelled' });
      expect(await abortedWith('lease_lost')).toMatchObject({ outcome: undefined, aborted: 'lease_lost' });
    });

    it('gives the job back when the worker shuts down, but not its attempt when the worker was silent', async () => {
      expect(await abortedWith('drain')).toMatchObject({ outcome: { status: 'released' } });
      expect(await abortedWith('no_heartbeat')).toMatchObject({ outcome: { status: 'retry' } });
    });

    it('counts the end from outside, whatever the handler does then', async () => {
      const unhandled = vi.fn<() => void>();
      process.on('unhandledRejection', unhandled);
      const late = Promise.withResolvers<never>();
      const { attempt, execution } = begin([job('test', async () => await late.promise)]);
      attempt.abort(new JobAborted('cancelled'));
      late.reject(new Error('Too late.'));
      expect(await execution).toMatchObject({ outcome: undefined, aborted: 'cancelled' });
      await setImmediate();
      process.off('unhandledRejection', unhandled);
      expect(unhandled).not.toHaveBeenCalled();
    });

    it('counts the end of the handler, if that came first', async () => {
      const { attempt, execution } = begin([job('test', async () => 'done')]);
      expect(await execution).toEqual({ outcome: { status: 'completed', result: 'done' } });
      attempt.abort(new JobAborted('cancelled'));
      expect(attempt.signal.aborted).toBe(false);
    });

    it('ends at the deadline, even if the handler ignores its signal', async () => {
      const { attempt, execution } = begin([job('test', forever, 30)]);
      const ended = vi.fn<() => void>();
      void execution.then(ended);
      attempt.checkDeadline(attempt.startedMs + 29_999);
      await setImmediate();
      expect(ended).not.toHaveBeenCalled();
      attempt.checkDeadline(attempt.startedMs + 30_000);
      expect(await execution).toMatchObject({
        outcome: { status: 'retry', error: 'The handler did not end within 30 s.' },
      });
    });

    it('keeps to the deadline that the job asks for itself', async () => {
      const options = { timeoutSeconds: 90 };
      const { attempt, execution } = begin([job('test', forever, 30)], { options });
      attempt.checkDeadline(attempt.startedMs + 89_999);
      expect(attempt.signal.aborted).toBe(false);
      attempt.checkDeadline(attempt.startedMs + 90_000);
      expect(await execution).toMatchObject({
        outcome: { error: 'The handler did not end within 90 s.' },
      });
    });

    it('tells the handler by its signal, whenever the handler asks for it', async () => {
      const early = vi.fn<(reason: unknown) => void>();
      const late = Promise.withResolvers<Error>();
      const goOn = Promise.withResolvers<void>();
      const { attempt } = begin([
        job('test', async (_payload, context) => {
          await goOn.promise;
          late.resolve(context.signal.reason as Error);
          return null;
        }),
      ]);
      const { attempt: other } = begin([
        job('test', async (_payload, { signal }) => {
          signal.addEventListener('abort', () => {
            early(signal.reason);
          });
          return await forever();
        }),
      ]);
      const reason = new JobAborted('drain');
      for (const one of [attempt, other]) one.abort(reason);
      goOn.resolve();
      expect(early).toHaveBeenCalledExactlyOnceWith(reason);
      expect(await late.promise).toBe(reason);
    });
  });
});
