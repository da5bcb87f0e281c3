import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ORGANIZATION, begin, connectQueue, newType, newWorker, only } from './queue.ts';

const queue = await connectQueue();
const { api, owner, readonly, admin, session, queueJob, claimed, report, beat } = queue;

const CALLER = { actor: `api_key:${randomUUID()}`, trace_id: '0af7651916cd43dd8448eb211c80319c' };
const caller = api(CALLER);

/** What is recorded of a target, oldest first. */
const recorded = async (target: string | null): Promise<unknown[]> =>
  await owner`select organization_id, actor, action, outcome, trace_id, detail from ops.audit_log
               where target is not distinct from ${target} order by id`;
const act = (action: string, outcome: string, detail = {}) => ({
  organization_id: ORGANIZATION,
  ...CALLER,
  action,
  outcome,
  detail,
});

describe('[DATA-7] the audit log has who did what, for whom, with what outcome and trace', () => {
  it('of a job that is cancelled, cancelled again, and retried twice', async () => {
    const id = await queueJob({ type: newType() });
    for (const _ of [1, 2]) await caller`select ops.cancel_job(${id})`;
    for (const _ of [1, 2]) await caller`select ops.retry_job(${id})`;
    expect(await recorded(id)).toEqual([
      act('job.cancel', 'done'),
      act('job.cancel', 'unchanged'),
      act('job.retry', 'done'),
      act('job.retry', 'unchanged'),
    ]);
  });

  it('of a job that is run before its time', async () => {
    const id = await queueJob({ type: newType(), run_at: '2100-01-01T00:00:00Z' });
    await caller`select ops.retry_job(${id})`;
    expect(await recorded(id)).toEqual([act('job.retry', 'done')]);
  });

  it('of a job that is not there, or not there for the caller', async () => {
    const id = await queueJob({ type: newType() }, { organization_id: randomUUID() });
    await caller`select ops.cancel_job(${id})`;
    await caller`select ops.retry_job(${id})`;
    expect(await recorded(id)).toEqual([act('job.cancel', 'not_found'), act('job.retry', 'not_found')]);
  });

  it('of a running job that is cancelled', async () => {
    const { job_id: id } = await claimed();
    await caller`select ops.cancel_job(${id})`;
    expect(await recorded(id)).toEqual([act('job.cancel', 'done')]);
  });

  it('of dead letters that are redriven and purged, with how many', async () => {
    const type = newType();
    for (const _ of [1, 2, 3]) await report(await claimed({ type, max_attempts: 1 }), { status: 'failed' });
    await caller`select ops.redrive_jobs(${type}, 2)`;
    for (const _ of [1, 2]) await caller`select ops.purge_jobs(${type}, 10)`;
    expect(await recorded(type)).toEqual([
      act('queue.redrive', 'done', { jobs: 2 }),
      act('queue.purge', 'done', { jobs: 1 }),
      act('queue.purge', 'unchanged', { jobs: 0 }),
    ]);
  });

  it('of a queue that is paused and resumed, each twice', async () => {
    const type = newType();
    for (const _ of [1, 2]) await caller`select ops.pause_queue(${type})`;
    for (const _ of [1, 2]) await caller`select ops.resume_queue(${type})`;
    expect(await recorded(type)).toEqual([
      act('queue.pause', 'done'),
      act('queue.pause', 'unchanged'),
      act('queue.resume', 'done'),
      act('queue.resume', 'unchanged'),
    ]);
  });

  it('of what a person does at the database, who is named by the role', async () => {
    const id = newWorker();
    await beat(id, 60);
    await owner`select ops.command_worker(${id}, 'drain')`;
    await owner`select ops.freeze_queues()`;
    await owner`select ops.unfreeze_queues()`;
    const manual = {
      organization_id: null,
      actor: `role:${new URL(queue.urls.owner).username}`,
      trace_id: null,
      outcome: 'done',
    };
    expect(await recorded(id)).toEqual([
      { ...manual, action: 'worker.command', detail: { command: 'drain' } },
    ]);
    expect(await recorded(null)).toEqual([
      { ...manual, action: 'queues.freeze', detail: {} },
      { ...manual, action: 'queues.unfreeze', detail: {} },
    ]);
    const nobody = newWorker();
    await owner`select ops.command_worker(${nobody}, 'stop')`;
    expect(await recorded(nobody)).toMatchObject([{ action: 'worker.command', outcome: 'not_found' }]);
  });

  it('of an act for another organisation than the caller’s, when the function says so', async () => {
    const organization = randomUUID();
    const target = randomUUID();
    await owner`select ops.audit('api_key.issue', ${target}, 'done', '{"hours": 1}', ${organization})`;
    expect(await recorded(target)).toMatchObject([{ organization_id: organization, detail: { hours: 1 } }]);
  });
});

describe('[DATA-7] act and record are one transaction', () => {
  it('an act that is rolled back leaves no record, and nothing to seal', async () => {
    const id = await queueJob({ type: newType() });
    const { sql } = await session('api');
    await begin({ sql, pid: 0, run: async () => {} });
    await sql`select ops.cancel_job(${id})`;
    await sql`rollback`;
    expect(await recorded(id)).toEqual([]);
    const [count] = await owner`
      select count(*)::integer as left from ops.audit_unsealed u
       where not exists (select from ops.audit_log l where l.id = u.id)`;
    expect(count).toEqual({ left: 0 });
  });

  it('an act that cannot be recorded is not done', async () => {
    const id = await queueJob({ type: newType() });
    await admin`alter table ops.audit_log add constraint broken check (action <> 'job.cancel') not valid`;
    await expect(caller`select ops.cancel_job(${id})`).rejects.toMatchObject({ code: '23514' });
    await admin`alter table ops.audit_log drop constraint broken`;
    expect(await queue.job(id)).toMatchObject({ status: 'pending' });
  });

  it('a caller’s long actor and trace are cut, not refused', async () => {
    const type = newType();
    await api({ actor: 'a'.repeat(1000), trace_id: 't'.repeat(1000) })`select ops.pause_queue(${type})`;
    expect(await recorded(type)).toMatchObject([{ actor: 'a'.repeat(200), trace_id: 't'.repeat(100) }]);
  });
});

describe('[DATA-7] an entry is never changed', () => {
  it.for([
    ['audit_log', 'at'],
    ['audit_seal', 'hash'],
  ])('ops.%s refuses it, also from its owner', async ([table, column]) => {
    await owner`select ops.audit('test.append', 'only', 'done')`;
    await owner`select ops.seal_audit_log(1000)`;
    const { run } = await session('owner');
    for (const statement of [
      `update ops.${table} set ${column} = ${column}`,
      `delete from ops.${table}`,
      `truncate ops.${table}`,
    ]) {
      await expect(run(statement)).rejects.toMatchObject({
        code: '42501',
        message: `ops.${table} is append-only`,
      });
    }
  });

  it('also where triggers are silent because changes are replayed', async () => {
    const { run } = await session('admin');
    await run("set session_replication_role = 'replica'");
    await expect(run('delete from ops.audit_log')).rejects.toMatchObject({ code: '42501' });
  });
});

it('[SEC-12] a role of the service records nothing but by an act', async () => {
  for (const sql of [api(), queue.worker, readonly]) {
    await expect(sql`select ops.audit('job.cancel', 'x', 'done')`).rejects.toMatchObject({ code: '42501' });
    await expect(
      sql`insert into ops.audit_log (at, actor, action, outcome, detail) values (now(), 'a', 'b.c', 'done', '{}')`,
    ).rejects.toMatchObject({ code: '42501' });
  }
});

it('[SEC-11] ops.audit shows the entries of the organisation only, and none without one', async () => {
  const type = newType();
  const other = randomUUID();
  await caller`select ops.pause_queue(${type})`;
  await api({ organization_id: other })`select ops.pause_queue(${type})`;
  await owner`select ops.pause_queue(${type})`;
  expect(await caller`select actor from ops.audit where target = ${type}`).toEqual([{ actor: CALLER.actor }]);
  expect(await api({ organization_id: '' })`select from ops.audit where target = ${type}`).toEqual([]);
  expect(await readonly`select from ops.audit where target = ${type}`).toEqual([]);
  expect(only(await api({ organization_id: other })`select count(*)::integer as n from ops.audit`)).toEqual({
    n: 1,
  });
});
