import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Claim, ORGANIZATION, connectQueue, newType, newWorker, only } from './queue.ts';
import type { Role, Session } from './roles.ts';

/*
 * A REPEATABLE READ transaction does not see what was committed since it began. Every function that a role executes either refuses
 * to be called in one, or tells it to try again where somebody has done what it does not see, or is right with what it sees.
 */
const queue = await connectQueue();
const { admin, owner, beat, queueJob, job, claim, claimed, report } = queue;
await admin`insert into public.organization (id, name) values (${ORGANIZATION}, 'acme')`;

async function connect(role: Role): Promise<Session> {
  const session = await queue.session(role);
  await session.sql`select set_config('ops.organization_id', ${ORGANIZATION}, false)`;
  return session;
}

/** Opens a transaction that sees what is committed now, and nothing that comes after. */
async function older(role: Role): Promise<Session> {
  const session = await connect(role);
  await session.sql`begin isolation level repeatable read`;
  await session.sql`select ops.current_organization()`;
  return session;
}

/** What there is to act on. */
interface Scene {
  readonly type: string;
  /** A job that waits. */
  readonly pending: string;
  readonly dead: string;
  readonly mine: Claim;
  readonly worker: string;
  /** An API key. */
  readonly key: string;
}

async function setScene(): Promise<Scene> {
  const type = newType();
  const dead = await claimed({ type, max_attempts: 1 });
  await report(dead, { status: 'failed' });
  const { worker: id, ...mine } = await claimed({ type });
  const issued = await admin<{ key: string }>`
    select ops.issue_api_key(${ORGANIZATION}, ${type}, ${randomBytes(32)}, '1 day') as key`;
  return {
    type,
    pending: await queueJob({ type }),
    dead: dead.job_id,
    mine,
    worker: id,
    key: only(issued).key,
  };
}

type Call = readonly [role: Role, call: (scene: Scene) => string];

/** With 25000: they would act on what is no longer so, and no lock says that. */
const REFUSES: Record<string, Call> = {
  claim_jobs: ['worker', ({ type }) => `claim_jobs('{${type}}', 1, 30, 'w')`],
  claim_pending_job: ['worker', ({ type }) => `claim_pending_job('{${type}}', 30, 'w')`],
  create_api_key: ['api', () => `create_api_key('new', sha256('new'), '1 day', 'service', null)`],
  maintain: ['worker', () => 'maintain()'],
  reap_stuck_jobs: ['worker', () => 'reap_stuck_jobs()'],
  rotate_api_key: ['api', ({ key }) => `rotate_api_key('${key}', sha256('next'), '1 day', '1 hour')`],
  update_job_status: ['worker', ({ mine }) => `update_job_status('${mine.job_id}', 'completed')`],
  worker_beat: ['worker', () => `worker_beat('w', 'test', null, 'running', 60, '{}', '{}')`],
};

/** With 40001, after somebody else has made the same call. */
const TRIES_AGAIN: Record<string, Call> = {
  cancel_job: ['api', ({ pending }) => `cancel_job('${pending}')`],
  complete_jobs: [
    'worker',
    ({ mine }) => `complete_jobs('{${mine.job_id}}', '{${mine.lease_token}}', '{completed}')`,
  ],
  end_idempotent: ['api', ({ type }) => `end_idempotent('${type}', 'k', '\\x01', 200, '{}', '')`],
  pause_queue: ['api', ({ type }) => `pause_queue('${type}')`],
  purge_jobs: ['api', ({ type }) => `purge_jobs('${type}', 10)`],
  queue_job_idempotent: ['worker', ({ type }) => `queue_job_idempotent('${type}', '1', 'k')`],
  queue_jobs: [
    'worker',
    ({ type }) => `queue_jobs('[{"type": "${type}", "payload": 1, "unique_key": "k"}]')`,
  ],
  queue_one_job: ['api', ({ type }) => `queue_one_job('${type}', '1', 0, null, 'k', null, null)`],
  redrive_jobs: ['api', ({ type }) => `redrive_jobs('${type}', 10)`],
  register_heartbeat: ['worker', ({ worker: id }) => `register_heartbeat('${id}', 'test')`],
  retry_job: ['api', ({ dead }) => `retry_job('${dead}')`],
  revoke_api_key: ['api', ({ key }) => `revoke_api_key('${key}')`],
  seal_audit_log: ['worker', () => 'seal_audit_log(1)'],
  touch_api_keys: ['api', ({ key }) => `touch_api_keys('{${key}}', '{${ORGANIZATION}}')`],
};

/** They only add, show what the snapshot shows, or act on what it shows and nobody else changes. */
const IS_RIGHT: Record<string, Call> = {
  audit_unsealed_age: ['worker', () => 'audit_unsealed_age()'],
  authenticate_api_key: ['api', () => `authenticate_api_key('\\x01')`],
  /** Who does not see that it was done is told so by end_idempotent, in the same transaction. */
  begin_idempotent: ['api', ({ type }) => `begin_idempotent('${type}', 'k', '\\x01')`],
  current_actor: ['api', () => 'current_actor()'],
  current_organization: ['api', () => 'current_organization()'],
  current_trace: ['api', () => 'current_trace()'],
  frozen_since: ['api', () => 'frozen_since()'],
  prune: ['worker', () => 'prune()'],
  queue_figures: ['readonly', () => 'queue_figures()'],
  queue_job: ['api', ({ type }) => `queue_job('${type}', '1')`],
  queue_jobs_of_callers: [
    'api',
    ({ type }) => `queue_jobs_of_callers('[{"type": "${type}", "payload": 1}]')`,
  ],
  queue_stats: ['worker', () => 'queue_stats()'],
  /** What was paused since is paused after it. */
  resume_queue: ['api', ({ type }) => `resume_queue('${type}')`],
  scan_audit: ['readonly', () => 'scan_audit(null, null, null, null, null, 10)'],
  scan_jobs: ['readonly', () => 'scan_jobs(null, null, null, null, null, 10)'],
  schema_version: ['api', () => 'schema_version()'],
  set_idle: ['worker', ({ type }) => `set_idle('{${type}}', true)`],
  wake: ['api', ({ type }) => `wake('{${type}}')`],
};

describe('in a repeatable read transaction', () => {
  it('[DATA-6] [TEST-3] every function that a role executes is known to refuse, to try again, or to be right', async () => {
    const granted = await owner<{ name: string }>`
      select distinct p.proname as name from pg_proc p, unnest(${['api', 'worker', 'readonly'].map(
        (role) => new URL(queue.urls[role as Role]).username,
      )}::text[]) role
       where p.pronamespace = 'ops'::regnamespace and has_function_privilege(role, p.oid, 'execute') order by 1`;
    expect(Object.keys({ ...REFUSES, ...TRIES_AGAIN, ...IS_RIGHT }).toSorted()).toEqual(
      granted.map(({ name }) => name),
    );
  });

  it.for(Object.entries(REFUSES))('[Q-4] ops.%s refuses with 25000', async ([, [role, call]]) => {
    const session = await older(role);
    const work = session.run(`select * from ops.${call(await setScene())}`);
    await expect(work).rejects.toMatchObject({
      code: '25000',
      message: expect.stringContaining('READ COMMITTED'),
    });
    await session.sql`rollback`;
  });

  it.for(Object.entries(TRIES_AGAIN))(
    '[Q-3] ops.%s is told to try again, with 40001, by who did the same since',
    async ([, [role, make]]) => {
      const call = `select * from ops.${make(await setScene())}`;
      const [session, other] = [await older(role), await connect(role)];
      await other.run(call);
      await expect(session.run(call)).rejects.toMatchObject({ code: '40001' });
      await session.sql`rollback`;
    },
  );

  it.for(Object.entries(IS_RIGHT))('[TEST-3] ops.%s works', async ([, [role, make]]) => {
    const call = `select * from ops.${make(await setScene())}`;
    const [session, other] = [await older(role), await connect(role)];
    await other.run(call);
    await expect(session.run(call)).resolves.toBeDefined();
    await session.sql`rollback`;
  });
});

describe('[Q-4] a repeatable read transaction that is older than a claim', () => {
  it('is told to try again when it reports, and is not refused as if the lease were lost', async () => {
    const session = await older('worker');
    const mine = await claimed();
    await expect(report(mine, { status: 'completed' }, session.sql)).rejects.toMatchObject({ code: '40001' });
    await session.sql`rollback`;
    expect(await report(mine, { status: 'completed' })).toBe(true);
  });

  it('is told to try again when it cancels the job', async () => {
    const type = newType();
    const id = await queueJob({ type });
    const session = await older('api');
    await claim(type);
    await expect(session.sql`select ops.cancel_job(${id})`).rejects.toMatchObject({ code: '40001' });
    await session.sql`rollback`;
    expect(await job(id)).toMatchObject({ status: 'processing' });
  });

  it('[Q-6] is not told that the worker lost the lease', async () => {
    const id = newWorker();
    await beat(id, 60);
    const session = await older('worker');
    const mine = await claimed({}, { worker: id });
    const call = `worker_beat('${id}', 'test', null, 'running', 60, '{${mine.job_id}}', '{${mine.lease_token}}')`;
    await expect(session.run(`select * from ops.${call}`)).rejects.toMatchObject({ code: '25000' });
    await session.sql`rollback`;
    expect(await beat(id, 60, [mine])).toEqual([]);
  });
});
