import { describe, expect, it } from 'vitest';
import type { Deployment } from '#src/application/release/deployment.ts';
import { planRelease, planRollback } from '#src/application/release/plan.ts';
import { NEW, OLD, REQUEST, deployment, impactOn, toolsOf, world } from './world.ts';

const ROLLBACK = { id: 'd2', env: 'staging', target: 'process', actor: 'somebody', to: undefined } as const;
const OLDER = 'c'.repeat(40);
const phase = (name: string, status: 'done' | 'failed' = 'done') => ({
  name,
  status,
  actor: 'somebody',
  startedAt: '2026-11-28T00:00:00Z',
  endedAt: null,
  summary: '',
});

/** A release that has not ended, after `phases`; before it `OLD` served, and before that `OLDER`. */
const waiting = (phases: Deployment['phases'], changes: Partial<Deployment> = {}) => {
  const running = {
    id: 'd1',
    gitSha: NEW,
    previousSha: OLD,
    status: 'running',
    migrations: ['2_new'],
  } as const;
  return world({
    log: [
      deployment({ ...running, phases, ...changes }),
      deployment({ previousSha: OLDER }),
      deployment({ id: 'd', gitSha: OLDER }),
    ],
    pending: phases.length > 1 ? [] : ['2_new'],
  });
};

describe('[DEP-4] a dry run, while a release has not ended', () => {
  const migrated = ['freeze', 'hard-gate', 'soft-gate', 'migrate'].map((name) => phase(name));

  it('shows the rest of that release', async () => {
    const w = waiting(migrated);
    const plan = await planRelease(REQUEST, toolsOf(w));
    const names = plan.phases.map(({ name }) => name);
    expect(names).toEqual(['freeze', 'verify', 'deploy', 'unfreeze', 'smoke', 'watch']);
    expect(plan.impact).toEqual([]);
    expect(w.acts).toEqual([]);
  });

  it('shows the impact of what is pending, and needs no key and no origin', async () => {
    const w = world();
    const means = { hasSmokeKey: false, knowsOrigin: false };
    const { phases, impact } = await planRelease(REQUEST, toolsOf(w, { means }));
    expect(phases).toHaveLength(9);
    expect(impact).toEqual([impactOn('2_new')]);
    expect(w.acts).toEqual(['impact']);
  });

  it('[API-8] is forbidden as the release would be', async () => {
    const tools = toolsOf(world(), { means: { seesErrors: false } });
    await expect(planRelease(REQUEST, tools)).rejects.toThrow('--ops-url');
  });

  it('shows the way back of one that failed', async () => {
    const w = waiting([...migrated, phase('deploy', 'failed')]);
    expect((await planRelease(REQUEST, toolsOf(w))).phases[2]).toEqual({
      name: 'rollback-deploy',
      what: `serve ${OLD}`,
    });
  });

  it('is refused as the release would be', async () => {
    const tools = toolsOf(waiting(migrated, { gitSha: OLDER }));
    await expect(planRelease(REQUEST, tools)).rejects.toThrow('has not ended in staging');
  });

  it('of a rollback goes to where that release began, and not further', async () => {
    const plan = await planRollback(ROLLBACK, toolsOf(waiting(migrated)));
    expect(plan.phases.find(({ name }) => name === 'rollback-deploy')?.what).toBe(`serve ${OLD}`);
  });

  it('of a rollback says that nothing is to be taken back', async () => {
    expect((await planRollback(ROLLBACK, toolsOf(waiting([phase('freeze')])))).phases).toEqual([
      { name: 'abort', what: `workers claim again; the release to ${NEW} changed nothing` },
    ]);
  });
});
