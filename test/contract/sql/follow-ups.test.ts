import { expect, it } from 'vitest';
import { ORGANIZATION, complete, connectQueue, newType, only } from './queue.ts';

const { api, as, worker, job, queueJob, claim, claimed, report } = await connectQueue();
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

it('[Q-3] [Q-7] jobs that follow a job are queued with its outcome, for its organisation and in its trace', async () => {
  const type = newType();
  await queueJob({ type }, { trace_id: TRACE_ID });
  const first = only(await claim(type));
  const next = newType();
  const outcome = {
    status: 'completed',
    follow_ups: [
      { type: next, payload: 1 },
      { type: next, priority: 1 },
    ],
  };
  expect(await report(first, outcome)).toBe(true);
  const followers = await claim(next, { limit: 10 });
  expect(followers).toMatchObject([
    { priority: 1, trace_id: TRACE_ID, organization_id: ORGANIZATION },
    { payload: 1, trace_id: TRACE_ID, organization_id: ORGANIZATION },
  ]);
  expect(await job(followers[0]?.job_id ?? '')).toMatchObject({ created_by: `job:${first.job_id}` });
});

it('[Q-4] an outcome that is refused queues nothing', async () => {
  const mine = await claimed();
  await report(mine, { status: 'completed' });
  const next = newType();
  expect(await report(mine, { status: 'completed', follow_ups: [{ type: next }] })).toBe(false);
  expect(await claim(next)).toEqual([]);
});

it('[Q-4] of two outcomes of one attempt only the first one queues its jobs', async () => {
  const mine = await claimed();
  const next = newType();
  const completing = (payload: number) => ({
    ...mine,
    status: 'completed',
    follow_ups: [{ type: next, payload }],
  });
  await complete([completing(1), completing(2)], worker);
  expect(await claim(next, { limit: 10 })).toMatchObject([{ payload: 1 }]);
});

it('a faulty one takes the whole report back', async () => {
  const mine = await claimed();
  const work = report(mine, { status: 'completed', follow_ups: [{ type: '' }] });
  await expect(work).rejects.toMatchObject({ code: '22023' });
  expect(await job(mine.job_id)).toMatchObject({ status: 'processing' });
});

it("leaves the reporter's own settings as they were", async () => {
  const mine = await claimed();
  const sql = as('worker', { actor: 'me', organization_id: ORGANIZATION });
  const rows = await sql`
    select ops.current_actor() as actor
      from (select count(*) from ops.complete_jobs(${[mine.job_id]}, ${[mine.lease_token]}, ${['completed']}, null, null, null,
              ${[JSON.stringify([{ type: newType(), payload: 1 }])]})) done`;
  expect(rows).toEqual([{ actor: 'me' }]);
  expect(await api()`select status from ops.jobs where id = ${mine.job_id}`).toEqual([
    { status: 'completed' },
  ]);
});
