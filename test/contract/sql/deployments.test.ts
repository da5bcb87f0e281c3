import { randomUUID } from 'node:crypto';
import {
  findDeployment,
  listDeployments,
  postgresDeploymentLog,
} from '#src/adapters/outbound/postgres/deployment-log.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { SqlQuery } from '#src/adapters/outbound/postgres/pool.ts';
import { type Deployment, withPhase } from '#src/application/release/deployment.ts';
import { testDatabase } from '#test/support/database.ts';
import { describe, expect, it } from 'vitest';

const database = await testDatabase();
const runAs = (role: 'owner' | 'api' | 'worker' | 'readonly') => async (statement: SqlQuery) =>
  await withPool({ url: database.urls[role] }, 'test', async (pool) => await query(pool, statement));
const run = runAs('owner');
const log = postgresDeploymentLog(run);

const begun = (changes: Partial<Deployment> = {}): Deployment => ({
  id: randomUUID(),
  env: 'staging',
  kind: 'release',
  gitSha: 'b'.repeat(40),
  previousSha: null,
  target: 'helm',
  actor: 'somebody@machine',
  startedAt: '2026-11-28T00:00:00.123Z',
  endedAt: null,
  status: 'running',
  phases: [],
  gate: null,
  schema: '20261128000000_deployments',
  migrations: ['20261128000000_deployments'],
  schemaChange: null,
  ...changes,
});
const ended = (deployment: Deployment): Deployment => ({
  ...deployment,
  status: 'succeeded',
  endedAt: '2026-11-28T00:20:00Z',
});

describe('[DEP-5] ops.deployments and ops.record_deployment', () => {
  it('[DEP-2] keeps who, when, what, each phase, the gate and what its migrations carry, and says them again', async () => {
    const first = begun();
    await log.save(first);
    expect(await log.running('staging')).toEqual(first);
    expect(await log.running('prod')).toBeUndefined();
    const { phases } = withPhase(first, {
      name: 'freeze',
      status: 'done',
      actor: 'another',
      startedAt: '2026-11-28T00:00:01Z',
      endedAt: '2026-11-28T00:00:02Z',
      summary: 'frozen',
    });
    const gate = {
      sha: first.gitSha,
      strict: true,
      started_at: '2026-11-28T00:00:01Z',
      passed: true,
      hashes: { migrations: 'm' },
      logs: '/tmp/dragonfly-gate-1',
      checks: [{ name: 'tests', verdict: 'pass' }],
    };
    const schemaChange = {
      scan: { check: 'advisories', verdict: 'pass', at: '2026-11-28T00:00:01Z' },
      triage: [],
      impact: [],
    };
    const whole = ended({ ...first, phases, gate, schemaChange });
    await log.save(whole);
    expect(await log.running('staging')).toBeUndefined();
    expect(await log.history('staging')).toEqual([whole]);
    expect(await findDeployment(run, first.id)).toEqual(whole);
    expect(await listDeployments(run, 'prod', 10)).toEqual([]);
    const audited = await run({
      text: 'select action from ops.audit_log where target = $1 order by id',
      values: [first.id],
    });
    expect(audited).toEqual([{ action: 'deployment.start' }, { action: 'deployment.end' }]);
  });

  it('has one at a time that runs in an environment', async () => {
    const [one, other] = [begun({ env: 'prod' }), begun({ env: 'prod' })];
    await log.save(one);
    await expect(log.save(other)).rejects.toThrow('deployment_running');
    await log.save(ended(one));
    await log.save(other);
  });

  it('lets nobody change what has ended, the owner neither', async () => {
    const one = ended(begun({ env: 'dev' }));
    await log.save(one);
    await log.save(one);
    await expect(log.save({ ...one, status: 'failed' })).rejects.toThrow('append-only');
    for (const text of [
      'delete from ops.deployments',
      'truncate ops.deployments',
      "update ops.deployments set actor = 'x'",
    ])
      await expect(run({ text, values: [] })).rejects.toThrow('append-only');
  });

  it.each(['readonly', 'api', 'worker'] as const)('[SEC-12] is not for the role %s', async (role) => {
    await expect(listDeployments(runAs(role), undefined, 1)).rejects.toThrow('permission denied');
    await expect(postgresDeploymentLog(runAs(role)).save(begun())).rejects.toThrow('permission denied');
  });
});
