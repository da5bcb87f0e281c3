import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { connectQueue, newType, only } from './queue.ts';

const queue = await connectQueue();
const { api, queueJob, queueJobs, claim, report } = queue;

const queueIdempotent = async (type: string, key: unknown) =>
  only(await api()<{ id: string }>`select ops.queue_job_idempotent(${type}, '{}', ${key}) as id`).id;

describe('unique keys', () => {
  it('returns the unfinished job with the key, whatever else differs, also within one batch', async () => {
    const type = newType();
    const [first, second] = await queueJobs([
      { type, unique_key: 'k' },
      { type, unique_key: 'k', payload: 2, priority: 5 },
    ]);
    expect(first?.created).toBe(true);
    expect(second).toEqual({ created: false, id: first?.id });
    expect(await queueIdempotent(type, 'k')).toBe(first?.id);
    expect(await claim(type, { limit: 10 })).toMatchObject([{ job_id: first?.id, payload: {} }]);
    expect(await queueIdempotent(type, 'k'), 'while it is processing').toBe(first?.id);
  });

  it.for(['completed', 'failed', 'cancelled'])('are free again once the job is %s', async (status) => {
    const type = newType();
    const first = await queueIdempotent(type, 'k');
    await report(only(await claim(type)), { status });
    expect(await queueIdempotent(type, 'k')).not.toBe(first);
  });

  it('belong to one type and one organisation', async () => {
    const [type, other] = [newType(), newType()];
    const ids = [
      await queueJob({ type, unique_key: 'k' }),
      await queueJob({ type: other, unique_key: 'k' }),
      await queueJob({ type, unique_key: 'k' }, { organization_id: randomUUID() }),
      await queueJob({ type, unique_key: 'k' }, { organization_id: '' }),
    ];
    expect(new Set(ids).size).toBe(4);
    expect(await queueJob({ type, unique_key: 'k' }, { organization_id: '' }), 'no organisation').toBe(
      ids[3],
    );
  });

  it.for([null, ''])('refuses the key %j of ops.queue_job_idempotent with 22023', async (key) => {
    await expect(queueIdempotent(newType(), key)).rejects.toMatchObject({ code: '22023' });
  });

  it('queues one job for 50 clients at once', async () => {
    const type = newType();
    const clients = Array.from({ length: 50 }, () => new Client({ connectionString: queue.urls.api }));
    try {
      await Promise.all(clients.map(async (client) => await client.connect()));
      const answers = await Promise.all(
        clients.map(
          async (client) =>
            await client.query<{ id: string }>(`select ops.queue_job_idempotent($1, '{}', 'k') as id`, [
              type,
            ]),
        ),
      );
      expect(new Set(answers.map(({ rows }) => rows[0]?.id)).size).toBe(1);
    } finally {
      await Promise.all(clients.map(async (client) => await client.end()));
    }
    expect(await claim(type, { limit: 100 })).toHaveLength(1);
  });
});
