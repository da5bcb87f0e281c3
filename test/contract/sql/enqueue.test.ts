import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ORGANIZATION, begin, connectQueue, elements, newType, only } from './queue.ts';

const queue = await connectQueue();
const { api, queueJob, queueJobs, job, claim } = queue;

const queueCanonical = async (type: unknown, payload: unknown, priority?: unknown, runAt?: unknown) =>
  only(await api()<{ id: string }>`select ops.queue_job(${type}, ${payload}, ${priority}, ${runAt}) as id`)
    .id;

describe('ops.queue_job', () => {
  it('queues a pending job that can run at once, with the defaults', async () => {
    const type = newType();
    const { id } = only(await api()<{ id: string }>`select ops.queue_job(${type}, '{"a": [1, null]}') as id`);
    expect(await job(id)).toMatchObject({
      id,
      type,
      status: 'pending',
      priority: 0,
      payload: { a: [1, null] },
      attempts: 0,
      max_attempts: 5,
      started_at: null,
      finished_at: null,
      last_error: null,
      result: null,
    });
    expect(await claim(type)).toMatchObject([{ job_id: id }]);
  });

  it('takes its arguments by name', async () => {
    const type = newType();
    const { id } = only(
      await api()<{ id: string }>`
        select ops.queue_job(p_run_at => '2099-01-01Z', p_payload => '1', p_priority => -100, p_type => ${type}) as id`,
    );
    expect(await job(id)).toMatchObject({ type, payload: 1, priority: -100, run_at: new Date('2099-01-01') });
  });

  it('treats a NULL priority or run_at as left out', async () => {
    const id = await queueCanonical(newType(), '{}', null, null);
    const row = await job(id);
    expect(row.priority).toBe(0);
    expect(row.run_at).toEqual(row.created_at);
  });

  it.for(['2099-12-31 23:59:59.123456+00', '12345-01-01 00:00:00+00'])(
    'keeps the run_at %s to the microsecond',
    async (runAt) => {
      const id = await queueCanonical(newType(), '{}', 0, runAt);
      const rows = await api()`select run_at = ${runAt}::timestamptz as same from ops.jobs where id = ${id}`;
      expect(rows).toEqual([{ same: true }]);
    },
  );

  it('[Q-5] overtakes nobody by a run_at in the past: that means now', async () => {
    const type = newType();
    const first = await queueJob({ type });
    const late = await queueCanonical(type, '{}', 0, '1970-01-01Z');
    const row = await job(late);
    expect(row.run_at).toEqual(row.created_at);
    expect(await claim(type, { limit: 2 })).toMatchObject([{ job_id: first }, { job_id: late }]);
  });

  it.for(['{}', '[]', 'null', 'false', '0', '""'])('takes the payload %s', async (payload) => {
    const type = newType();
    const id = await queueCanonical(type, payload);
    expect(await job(id)).toMatchObject({ payload: JSON.parse(payload) as unknown });
    expect(await claim(type)).toMatchObject([{ payload: JSON.parse(payload) as unknown }]);
  });

  it.for([
    ['no type', null, '{}', 0, null],
    ['an empty type', '', '{}', 0, null],
    ['a type of 101 characters', 'x'.repeat(101), '{}', 0, null],
    ['no payload', 'test', null, 0, null],
    ['a priority below -100', 'test', '{}', -101, null],
    ['a priority above 100', 'test', '{}', 101, null],
    ['the largest priority', 'test', '{}', 2_147_483_647, null],
    ['run_at infinity', 'test', '{}', 0, 'infinity'],
    ['run_at -infinity', 'test', '{}', 0, '-infinity'],
  ] as const)('refuses %s with 22023', async ([, type, payload, priority, runAt]) => {
    await expect(queueCanonical(type, payload, priority, runAt)).rejects.toMatchObject({ code: '22023' });
  });

  it('names no payload in an error', async () => {
    const error: unknown = await queueCanonical('', '"a secret"').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Error);
    expect(JSON.stringify(error)).not.toContain('a secret');
  });

  it('refuses NUL in a payload', async () => {
    await expect(queueCanonical(newType(), '"\\u0000"')).rejects.toMatchObject({ code: '22P05' });
  });

  it('gives ids of UUID version 7 that sort as they were made', async () => {
    const before = Date.now();
    const type = newType();
    const ids: string[] = [];
    for (let count = 0; count < 20; count += 1) ids.push(await queueJob({ type }));
    expect(ids.toSorted()).toEqual(ids);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const milliseconds = Number.parseInt(id.replace('-', '').slice(0, 12), 16);
      expect(Math.abs(milliseconds - before)).toBeLessThan(60_000);
    }
  });
});

describe('[Q-3] a queued job belongs to its transaction', () => {
  it('is invisible to workers until the commit', async () => {
    const type = newType();
    const session = await queue.session('api');
    await begin(session);
    await queueJobs([{ type }], {}, session.sql);
    expect(await claim(type)).toEqual([]);
    await session.sql`commit`;
    expect(await claim(type)).toHaveLength(1);
  });

  it('never runs after a rollback', async () => {
    const type = newType();
    const session = await queue.session('api');
    await begin(session);
    await queueJobs([{ type }, { type }], {}, session.sql);
    await session.sql`rollback`;
    expect(await claim(type)).toEqual([]);
  });

  it('never runs after a rollback to a savepoint, while the rest of the transaction does', async () => {
    const type = newType();
    const session = await queue.session('api');
    await begin(session);
    const kept = only(await queueJobs([{ type }], {}, session.sql));
    await session.sql`savepoint here`;
    await queueJobs([{ type }], {}, session.sql);
    await session.sql`rollback to savepoint here`;
    await session.sql`commit`;
    expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: kept.id }]);
  });

  it.for(['repeatable read', 'serializable'])('can be queued in a %s transaction', async (level) => {
    const type = newType();
    const session = await queue.session('api');
    await session.run(`begin isolation level ${level}`);
    await queueJobs([{ type }], {}, session.sql);
    await session.sql`commit`;
    expect(await claim(type)).toHaveLength(1);
  });
});

describe('ops.queue_jobs', () => {
  it('queues all in the order given and claims what is equally urgent in that order', async () => {
    const type = newType();
    const keys = Array.from({ length: 50 }, () => randomUUID());
    const queued = await queueJobs(keys.map((key) => ({ type, payload: key, unique_key: key })));
    expect(queued.map(({ created }) => created)).toEqual(keys.map(() => true));
    const claims = await claim(type, { limit: 50 });
    expect(claims.map(({ payload }) => payload)).toEqual(keys);
    expect(claims.map(({ job_id }) => job_id)).toEqual(queued.map(({ id }) => id));
  });

  it('queues none when one is faulty, and says which', async () => {
    const type = newType();
    const work = queueJobs([{ type }, { type, priority: 101 }, { type }]);
    await expect(work).rejects.toMatchObject({ code: '22023', message: expect.stringContaining('job 2') });
    expect(await claim(type)).toEqual([]);
  });

  it.for([
    ['no array', '{}'],
    ['NULL', null],
    ['an element that is no object', '[1]'],
    ['an element without payload', '[{"type": "test"}]'],
    ['max_attempts 0', elements([{ type: 'test', max_attempts: 0 }])],
    ['max_attempts 101', elements([{ type: 'test', max_attempts: 101 }])],
    ['an empty unique key', elements([{ type: 'test', unique_key: '' }])],
    ['a unique key of 201 characters', elements([{ type: 'test', unique_key: 'x'.repeat(201) }])],
  ] as const)('refuses %s with 22023', async ([, jobs]) => {
    await expect(api()`select ops.queue_jobs(${jobs})`).rejects.toMatchObject({ code: '22023' });
  });

  it.for([
    ['[]', 'options must be an object'],
    ['"abc"', 'options must be an object'],
    ['{"timeout": 5}', 'not timeout'],
    ['{"timeout_seconds": "abc"}', 'options.timeout_seconds must be a number, 0.1 to 86400'],
    ['{"timeout_seconds": "5"}', 'options.timeout_seconds must be a number'],
    ['{"timeout_seconds": null}', 'options.timeout_seconds must be a number'],
    ['{"timeout_seconds": 0}', 'options.timeout_seconds must be a number'],
    ['{"timeout_seconds": 86401}', 'options.timeout_seconds must be a number'],
    ['{"initial_delay_seconds": -1}', 'options.initial_delay_seconds must be a number, 0 to 86400'],
    ['{"initial_delay_seconds": 86401}', 'options.initial_delay_seconds must be a number'],
    ['{"factor": 0.5}', 'options.factor must be a number, 1 to 10'],
    ['{"factor": 11, "timeout_seconds": 5}', 'options.factor must be a number'],
    ['{"max_delay_seconds": -1}', 'options.max_delay_seconds must be a number, 0 to 604800'],
    ['{"max_delay_seconds": [5]}', 'options.max_delay_seconds must be a number'],
  ] as const)(
    '[SEC-13] refuses the options %s with 22023, as ops.queue_one_job does',
    async ([options, fault]) => {
      const refusal = { code: '22023', message: expect.stringContaining(fault) };
      const jobs = `[{"type": "test", "payload": 1, "options": ${options}}]`;
      await expect(api()`select ops.queue_jobs(${jobs})`).rejects.toMatchObject(refusal);
      const one = api()`select ops.queue_one_job('test', '1', null, null, null, null, ${options})`;
      await expect(one).rejects.toMatchObject(refusal);
    },
  );

  it.for([
    '{}',
    '{"timeout_seconds": 0.1, "initial_delay_seconds": 0, "factor": 1, "max_delay_seconds": 0}',
    '{"timeout_seconds": 86400, "initial_delay_seconds": 86400, "factor": 10, "max_delay_seconds": 604800}',
  ])('takes the options %s, and gives them to the worker', async (options) => {
    const type = newType();
    await api()`select ops.queue_jobs(${`[{"type": "${type}", "payload": 1, "options": ${options}}]`})`;
    expect(await claim(type)).toMatchObject([{ options: JSON.parse(options) as unknown }]);
  });

  it('queues nothing from an empty array', async () => {
    expect(await queueJobs([])).toEqual([]);
  });
});

describe('[Q-7] the trace id of a job', () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';

  it('is the one of the transaction that queued it, and reaches the worker', async () => {
    const type = newType();
    const id = await queueJob({ type }, { trace_id: traceId, actor: 'api_key:test' });
    expect(await job(id)).toMatchObject({ trace_id: traceId, created_by: 'api_key:test' });
    expect(await claim(type)).toMatchObject([{ trace_id: traceId, organization_id: ORGANIZATION }]);
  });

  it('is made when the transaction has none, one for a batch', async () => {
    const type = newType();
    await queueJobs([{ type }, { type }]);
    await queueJob({ type });
    const [first, second, third] = await claim(type, { limit: 3 });
    expect(first?.trace_id).toMatch(/^[0-9a-f]{32}$/);
    expect(second?.trace_id).toBe(first?.trace_id);
    expect(third?.trace_id).not.toBe(first?.trace_id);
  });

  it.for(['not a trace id', traceId.toUpperCase(), traceId.slice(1)])(
    'refuses %j with 22023',
    async (trace_id) => {
      await expect(queueJob({ type: newType() }, { trace_id })).rejects.toMatchObject({ code: '22023' });
    },
  );
});
