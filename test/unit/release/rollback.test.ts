import { describe, expect, it } from 'vitest';
import { lastGood } from '#src/application/release/deployment.ts';
import { rollback } from '#src/application/release/rollback.ts';
import type { Means } from '#src/application/release/rules.ts';
import { Killed, NEW, OLD, deployment, toolsOf, world } from './world.ts';

const REQUEST = { id: 'd2', env: 'staging', target: 'process', actor: 'somebody', to: undefined } as const;
const released = deployment({ id: 'd1', gitSha: NEW, previousSha: OLD, schema: '2_new' });
const after = (changes: Parameters<typeof world>[0] = {}) =>
  world({
    log: [released, deployment()],
    serving: NEW,
    pending: [],
    applied: [
      { name: '1_old', compatible: true, takesBack: null },
      { name: '2_new', compatible: true, takesBack: null },
    ],
    ...changes,
  });

const BREAKING = { name: '2_new', compatible: false, takesBack: null };
const PREPARED = { name: '3_rollback_1', takesBack: '2_new' };

describe('[DEP-5] a rollback', () => {
  it('reads its target from the log, and leaves a schema with which that works', async () => {
    const w = after();
    const { deployment: ended } = await rollback(REQUEST, toolsOf(w));
    expect(ended).toMatchObject({ kind: 'rollback', gitSha: OLD, previousSha: NEW, status: 'succeeded' });
    expect(w.acts).toEqual(['freeze', 'deploy old', 'unfreeze', 'smoke old']);
    expect(ended.phases[1]?.summary).toBe(`1 newer migrations stay; ${OLD} works with them`);
  });

  it('takes back a migration that breaks the release before only when that is allowed', async () => {
    const w = after({ applied: [BREAKING] });
    const refused = await rollback(REQUEST, toolsOf(w));
    expect(refused.message).toContain('say --allow-down');
    expect(refused.deployment.status).toBe('failed');
    const { deployment: ended } = await rollback({ ...REQUEST, id: 'd3' }, toolsOf(w, { allowDown: true }));
    expect(ended).toMatchObject({ gitSha: OLD, status: 'succeeded' });
    expect(w.acts).toContain('down 2_new');
  });

  it('[DATA-2] takes nothing back in prod', async () => {
    const log = [{ ...released, env: 'prod' } as const, deployment({ env: 'prod' })];
    const w = after({ log, applied: [BREAKING] });
    const { message } = await rollback({ ...REQUEST, env: 'prod' }, toolsOf(w, { allowDown: true }));
    expect(message).toContain('nothing is prepared to take it back, and in prod no down step does');
    expect(w.acts).not.toContain('down 2_new');
  });

  it.each(['staging', 'prod'] as const)(
    '[DATA-2] applies what was prepared in %s, as a new migration, once',
    async (env) => {
      const log = [{ ...released, env }, deployment({ env })];
      const w = after({ log, applied: [BREAKING], prepared: [PREPARED] });
      const kill = {
        before: (act: string) => {
          if (act === 'deploy old') throw new Killed();
        },
      };
      await expect(rollback({ ...REQUEST, env }, toolsOf(w, kill))).rejects.toThrow('killed');
      const { deployment: ended } = await rollback({ ...REQUEST, env }, toolsOf(w));
      expect(ended).toMatchObject({ gitSha: OLD, status: 'succeeded' });
      expect(ended.phases[1]?.summary).toBe('applied 3_rollback_1');
      expect(w.acts.filter((act) => act.startsWith('apply'))).toEqual(['apply 3_rollback_1']);
    },
  );

  it('[DATA-2] does not stop at what was taken back before', async () => {
    const w = after({ applied: [BREAKING, { ...PREPARED, compatible: true }] });
    const { deployment: ended } = await rollback(REQUEST, toolsOf(w));
    expect(ended.phases[1]?.summary).toBe(`2 newer migrations stay; ${OLD} works with them`);
  });

  it('[DATA-2] is refused to a commit whose migration was taken back, which nothing brings again', async () => {
    const w = after({ applied: [BREAKING], prepared: [PREPARED] });
    await rollback(REQUEST, toolsOf(w));
    const { message } = await rollback({ ...REQUEST, id: 'd3', to: NEW }, toolsOf(w));
    expect(message).toContain(`${NEW} needs 2_new, which 3_rollback_1 took back: write a migration`);
    expect(w.serving).toBe(OLD);
  });

  it('applies nothing when only a part of what breaks can be taken back', async () => {
    const other = { name: '2_other', compatible: false, takesBack: null };
    const w = after({ applied: [BREAKING, other], prepared: [PREPARED] });
    expect((await rollback(REQUEST, toolsOf(w))).deployment.status).toBe('failed');
    expect(w.acts).toEqual(['freeze']);
  });

  it('leaves queues frozen that somebody else froze, and smokes without a job', async () => {
    const w = after({ frozen: true, holder: 'since noon by somebody' });
    const { deployment: ended } = await rollback(REQUEST, toolsOf(w));
    expect(ended.status).toBe('succeeded');
    expect(ended.phases[3]?.summary).toBe('the queues stay frozen since noon by somebody');
    expect(w.acts.at(-1)).toBe('smoke old without job');
    expect(w.frozen).toBe(true);
  });

  it('[API-8] is forbidden without a key for its smoke test, and needs no watch', async () => {
    const w = after();
    const without = (means: Partial<Means>) => rollback(REQUEST, toolsOf(w, { means }));
    await expect(without({ hasSmokeKey: false })).rejects.toThrow('give DRAGONFLY_SMOKE_KEY');
    expect(w.acts).toEqual([]);
    expect((await without({ watchMs: 0, seesErrors: false })).deployment.status).toBe('succeeded');
  });

  it('goes to a commit that is named, if the log says that it served', async () => {
    const w = after();
    const { deployment: ended } = await rollback({ ...REQUEST, to: OLD }, toolsOf(w));
    expect(ended.gitSha).toBe(OLD);
    await expect(rollback({ ...REQUEST, to: 'c'.repeat(40) }, toolsOf(w))).rejects.toThrow('ever served');
  });

  it('is refused where nothing was released, or nothing before', async () => {
    await expect(rollback(REQUEST, toolsOf(world({ log: [] })))).rejects.toThrow('Nothing was released');
    await expect(rollback(REQUEST, toolsOf(world()))).rejects.toThrow('no good commit before');
  });

  it.each([
    [{ target: 'helm' }, 'begun with the target process'],
    [{ to: NEW }, `goes back to ${OLD}: do that first`],
  ])('is refused with %o while a release has not ended that it contradicts', async (changes, why) => {
    const running = deployment({ gitSha: NEW, previousSha: OLD, status: 'running' });
    const tools = toolsOf(after({ log: [running, deployment()] }));
    await expect(rollback({ ...REQUEST, ...changes }, tools)).rejects.toThrow(why);
  });

  it('of a release that has not ended tells its own actor from who began', async () => {
    const running = deployment({ gitSha: NEW, previousSha: OLD, status: 'running', migrations: ['2_new'] });
    const tools = toolsOf(after({ log: [running, deployment()] }));
    const { deployment: ended } = await rollback({ ...REQUEST, actor: 'another' }, tools);
    expect(ended).toMatchObject({ actor: 'somebody', status: 'rolled_back' });
    expect(new Set(ended.phases.map(({ actor }) => actor))).toEqual(new Set(['another']));
  });

  it('does not go back to what a rollback has left', () => {
    const left = deployment({ id: 'd2', kind: 'rollback', gitSha: OLD, previousSha: NEW });
    const first = deployment({ id: 'd', gitSha: 'c'.repeat(40) });
    expect(lastGood([left, released, deployment(), first], OLD)?.id).toBe('d');
    expect(lastGood([released, left, released, deployment()], OLD)?.id).toBe('d1');
  });
});
