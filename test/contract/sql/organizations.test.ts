import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type JobRow, ORGANIZATION, connectQueue, newType, only } from './queue.ts';

const queue = await connectQueue();
const { api, as, readonly, queueJob, job, claim, report } = queue;

const OTHER = randomUUID();
const cancel = async (id: unknown, organization_id: string = ORGANIZATION) =>
  await api({ organization_id })<JobRow>`select * from ops.cancel_job(${id})`;
const retry = async (id: unknown, organization_id: string = ORGANIZATION) =>
  await api({ organization_id })<JobRow>`select * from ops.retry_job(${id})`;

describe('[SEC-11] organisations', () => {
  it('see no job and no queue of each other, nor anything without an organisation', async () => {
    const id = await queueJob({ type: newType() });
    for (const role of ['api', 'readonly'] as const) {
      for (const [organization_id, count] of [
        [OTHER, 0],
        ['', 0],
      ] as const) {
        expect(await as(role, { organization_id })`select id from ops.jobs`).toHaveLength(count);
        expect(await as(role, { organization_id })`select type from ops.queues`).toHaveLength(count);
      }
    }
    expect(await readonly`select id from ops.jobs`).toEqual([]);
    expect(await job(id)).toMatchObject({ id });
  });

  it('are refused with a setting that is no uuid', async () => {
    const work = as('api', { organization_id: 'garbage' })`select id from ops.jobs`;
    await expect(work).rejects.toMatchObject({ code: '22P02' });
  });

  it('cannot cancel or retry jobs of each other', async () => {
    const id = await queueJob({ type: newType(), run_at: '2099-01-01Z' });
    const before = await job(id);
    for (const stranger of [OTHER, '']) {
      expect(await cancel(id, stranger)).toEqual([]);
      expect(await retry(id, stranger)).toEqual([]);
    }
    expect(await job(id)).toEqual(before);
  });
});

describe('[Q-5] ops.cancel_job', () => {
  it('cancels a pending job, which then never runs', async () => {
    const type = newType();
    const id = await queueJob({ type });
    expect(only(await cancel(id))).toMatchObject({ id, status: 'cancelled', finished_at: expect.any(Date) });
    expect(await claim(type)).toEqual([]);
  });

  it('[Q-4] cancels a running job: its worker cannot change it any more', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const claimed = only(await claim(type));
    expect(await cancel(id)).toMatchObject([{ status: 'cancelled' }]);
    expect(await report(claimed, { status: 'completed' })).toBe(false);
    expect(await job(id)).toMatchObject({ status: 'cancelled' });
  });

  it('returns a finished job as it is', async () => {
    const type = newType();
    const id = await queueJob({ type });
    await report(only(await claim(type)), { status: 'completed' });
    const before = await job(id);
    expect(await cancel(id)).toEqual([before]);
    expect(await job(id)).toEqual(before);
  });

  it('returns no row for an unknown job', async () => {
    expect(await cancel(randomUUID())).toEqual([]);
    expect(await cancel(null)).toEqual([]);
  });
});

describe('[Q-5] ops.retry_job', () => {
  it.for(['failed', 'cancelled'])('gives a %s job all its attempts again and runs it now', async (status) => {
    const type = newType();
    const id = await queueJob({ type, max_attempts: 1 });
    await report(only(await claim(type)), { status, error: 'broken' });
    expect(await retry(id)).toMatchObject([
      { id, status: 'pending', attempts: 0, finished_at: null, last_error: 'broken' },
    ]);
    expect(await claim(type)).toMatchObject([{ job_id: id, attempts: 1 }]);
  });

  it('runs a scheduled job now, with the attempts that it had', async () => {
    const type = newType();
    const id = await queueJob({ type });
    await report(only(await claim(type)), { status: 'pending', backoff_seconds: 3600 });
    expect(await retry(id)).toMatchObject([{ status: 'pending', attempts: 1 }]);
    expect(await claim(type)).toMatchObject([{ job_id: id, attempts: 2 }]);
  });

  it('leaves a job that waits already at its place in the queue', async () => {
    const type = newType();
    const id = await queueJob({ type });
    await queueJob({ type });
    await retry(id);
    expect(await claim(type)).toMatchObject([{ job_id: id }]);
  });

  it('returns a processing and a completed job as they are', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const claimed = only(await claim(type));
    expect(await retry(id)).toEqual([await job(id)]);
    expect(await report(claimed, { status: 'completed' })).toBe(true);
    expect(await retry(id)).toEqual([await job(id)]);
    expect(await job(id)).toMatchObject({ status: 'completed' });
  });

  it('returns no row for an unknown job', async () => {
    expect(await retry(randomUUID())).toEqual([]);
    expect(await retry(null)).toEqual([]);
  });

  it('is queued once again, however many ask for it while others cancel it', async () => {
    const type = newType();
    const id = await queueJob({ type });
    await cancel(id);
    const acts = Array.from({ length: 60 }, async (_, n) =>
      n % 3 === 0 ? await cancel(id) : await retry(id),
    );
    for (const rows of await Promise.all(acts)) {
      expect(rows).toMatchObject([{ id, status: expect.stringMatching(/^(?:pending|cancelled)$/) }]);
    }
    await retry(id);
    expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: id, attempts: 1 }]);
    expect(await claim(type)).toEqual([]);
  });

  it('is refused while another unfinished job has the unique key', async () => {
    const type = newType();
    const id = await queueJob({ type, unique_key: 'k' });
    await cancel(id);
    const holder = await queueJob({ type, unique_key: 'k' });
    await expect(retry(id)).rejects.toMatchObject({ code: '23505' });
    await cancel(holder);
    expect(await retry(id)).toMatchObject([{ status: 'pending' }]);
  });
});
