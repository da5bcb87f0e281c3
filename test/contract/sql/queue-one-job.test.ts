import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ORGANIZATION, connectQueue, elements, newType, only } from './queue.ts';

const queue = await connectQueue();
const { api, job, claim } = queue;

interface Queued {
  readonly created: boolean;
  readonly id: string;
}

/** In the order of the function's parameters; what is left out is NULL. */
const queueOne = async (type: unknown, ...[payload = '{}', priority, runAt, key, attempts]: unknown[]) =>
  only(
    await api()<Queued>`
      select created, job_id as id from ops.queue_one_job(${type}, ${payload}, ${priority}, ${runAt}, ${key}, ${attempts}, null)`,
  );

/** Of an id of version 7. */
const millisecondsOf = (id: string): number => Number.parseInt(id.replace('-', '').slice(0, 12), 16);

describe('ops.queue_one_job', () => {
  it('queues what it is given, as whom the transaction says', async () => {
    const type = newType();
    const context = { trace_id: '0af7651916cd43dd8448eb211c80319c', actor: 'api_key:test' };
    const { id } = only(
      await api(context)<Queued>`
        select job_id as id from ops.queue_one_job(${type}, '[null]', 7, '2099-01-01Z', 'k', 3, '{"factor": 2}')`,
    );
    expect(await job(id)).toMatchObject({
      type,
      status: 'pending',
      payload: [null],
      priority: 7,
      run_at: new Date('2099-01-01'),
      unique_key: 'k',
      attempts: 0,
      max_attempts: 3,
      organization_id: ORGANIZATION,
      created_by: context.actor,
      trace_id: context.trace_id,
      options: { factor: 2 },
    });
  });

  it('treats NULL as left out', async () => {
    const type = newType();
    const { id, created } = await queueOne(type);
    const row = await job(id);
    expect(row).toMatchObject({ priority: 0, max_attempts: 5, run_at: row.created_at });
    expect(created).toBe(true);
    expect(await claim(type)).toMatchObject([{ job_id: id }]);
  });

  it('gives a job an id that is no older than itself, so that lists from its creation on find it', async () => {
    const type = newType();
    const jobs = await api()<{ id: string; created_at: Date }>`
      select q.job_id as id, q.created_at
        from generate_series(1, 500) n, ops.queue_one_job(${type}, to_jsonb(n), 0, null, null, null, null) q`;
    const early = jobs.filter(({ id, created_at }) => millisecondsOf(id) < created_at.getTime());
    expect(early).toEqual([]);
  });

  it('[Q-5] returns the unfinished job of its organisation, type and key', async () => {
    const type = newType();
    const first = await queueOne(type, '{}', null, null, 'k');
    expect(await queueOne(type, '1', 5, null, 'k')).toEqual({ created: false, id: first.id });
    const elsewhere = await api({
      organization_id: randomUUID(),
    })`select created from ops.queue_one_job(${type}, '{}', null, null, 'k', null, null)`;
    expect(elsewhere).toEqual([{ created: true }]);
  });

  it.for([
    ['no type', [null]],
    ['an empty type', ['']],
    ['a type of 101 characters', ['x'.repeat(101)]],
    ['no payload', ['t', null]],
    ['the priority 101', ['t', '{}', 101]],
    ['the priority -101', ['t', '{}', -101]],
    ['an infinite run_at', ['t', '{}', 0, 'infinity']],
    ['an empty unique key', ['t', '{}', 0, null, '']],
    ['a unique key of 201 characters', ['t', '{}', 0, null, 'x'.repeat(201)]],
    ['max_attempts 0', ['t', '{}', 0, null, null, 0]],
    ['max_attempts 101', ['t', '{}', 0, null, null, 101]],
  ] as const)('refuses %s with 22023', async ([, [type, ...rest]]) => {
    await expect(queueOne(type, ...rest)).rejects.toMatchObject({ code: '22023' });
  });

  it('refuses a trace id that is none with 22023', async () => {
    const work = api({ trace_id: 'none' })`select ops.queue_one_job('t', '{}', null, null, null, null, null)`;
    await expect(work).rejects.toMatchObject({ code: '22023' });
  });
});

describe('ops.queue_jobs_of_callers', () => {
  const callers = Array.from({ length: 3 }, (_, index) => ({
    trace_id: randomUUID().replaceAll('-', ''),
    organization_id: randomUUID(),
    actor: `api_key:${index}`,
  }));

  it('[SEC-11] queues each job as its own caller, in the order given', async () => {
    const type = newType();
    const jobs = callers.map((caller, index) => ({ ...caller, type, payload: index, priority: index }));
    const queued = await api()<Queued>`
      select created, job_id as id from ops.queue_jobs_of_callers(${elements(jobs)})`;
    for (const [index, { organization_id, trace_id, actor }] of callers.entries()) {
      expect(queued[index]?.created).toBe(true);
      expect(await job(queued[index]?.id ?? '', organization_id)).toMatchObject({
        type,
        payload: index,
        priority: index,
        organization_id,
        trace_id,
        created_by: actor,
      });
    }
    expect(queued).toHaveLength(callers.length);
  });

  it('queues none when one is faulty', async () => {
    const type = newType();
    const jobs = callers.map((caller, index) => ({ ...caller, type, max_attempts: index }));
    const work = api()`select ops.queue_jobs_of_callers(${elements(jobs)})`;
    await expect(work).rejects.toMatchObject({ code: '22023' });
    expect(await claim(type)).toEqual([]);
  });

  it('takes the payload null, and refuses a job without one, wherever they stand', async () => {
    const type = newType();
    const payloads = [1, null, [null], null];
    const jobs = payloads.map((payload) => ({ ...callers[0], type, payload }));
    await api()`select ops.queue_jobs_of_callers(${elements(jobs)})`;
    expect((await claim(type, { limit: 10 })).map(({ payload }) => payload)).toEqual(payloads);
    // As ops.queue_jobs has it, too: both are ops.insert_jobs.
    const without = JSON.stringify([{ type, payload: null }, { type }]);
    for (const queueIt of [
      async () => await api()`select ops.queue_jobs(${without})`,
      async () => await api()`select ops.queue_jobs_of_callers(${without})`,
    ])
      await expect(queueIt()).rejects.toMatchObject({ message: 'job 2: payload is required', code: '22023' });
  });
});
