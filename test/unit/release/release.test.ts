import { describe, expect, it, vi } from 'vitest';
import { GATE_LIFE_MS } from '#src/application/release/phases.ts';
import { release } from '#src/application/release/release.ts';
import { rollback } from '#src/application/release/rollback.ts';
import type { Means } from '#src/application/release/rules.ts';
import {
  type Faults,
  Killed,
  NEW,
  OLD,
  REQUEST,
  STARTED,
  deployment,
  impactOn,
  toolsOf,
  world,
} from './world.ts';

const WHOLE = [
  'freeze',
  'look at target',
  'triage',
  'impact',
  'gate',
  'soft gate',
  'up',
  'verify',
  'deploy new',
  'unfreeze',
  'smoke new',
];
/** One each 10 s. */
const LOOKS = Array.from({ length: 90 }, () => 'look');
const isOnce = (act: string): boolean =>
  !['freeze', 'look at target', 'triage', 'impact', 'look'].includes(act);
const BACK = ['freeze', 'deploy old', 'unfreeze', 'smoke old'];

/** At the first time that this is done. */
function once(name: string, fault: () => void): Faults {
  let isOver = false;
  return {
    before: (act) => {
      if (isOver || act !== name) return;
      isOver = true;
      fault();
    },
  };
}

const failing = (name: string): Faults =>
  once(name, () => {
    throw new Error('as the test wants');
  });

function stopped(name: string): Faults {
  const stop = new AbortController();
  return { signal: stop.signal, ...once(name, () => stop.abort(new Error('SIGTERM'))) };
}

const ROLLBACK = { id: 'd2', env: 'staging', target: 'process', actor: 'somebody', to: undefined } as const;

const warned = async () =>
  await Promise.resolve([{ check: 'disk', severity: 'warning', summary: 'nearly full' } as const]);

describe('[DEP-4] a release', () => {
  it('goes through every phase in the order of the law, and is recorded', async () => {
    const w = world();
    const { deployment: ended, message } = await release(REQUEST, toolsOf(w));
    expect(w.acts).toEqual([...WHOLE, ...LOOKS]);
    expect(message).toBe(`${NEW} is released.`);
    expect(ended).toMatchObject({
      status: 'succeeded',
      previousSha: OLD,
      endedAt: '2026-11-28T00:15:00.000Z',
    });
    expect(ended.gate).toMatchObject({ passed: true, checks: [{ name: 'tests', verdict: 'pass' }, {}] });
    expect(ended.phases.map(({ name, status }) => `${name} ${status}`)).toEqual(
      ['freeze', 'hard-gate', 'soft-gate', 'migrate', 'verify', 'deploy', 'unfreeze', 'smoke', 'watch'].map(
        (name) => `${name} done`,
      ),
    );
    expect(w.log[0]).toEqual(ended);
  });

  it('verifies and smokes without a warning when it is strict', async () => {
    const tools = toolsOf(world({ pending: [] }));
    const verifiers = [{ name: 'doctor', verify: warned }];
    expect((await release(REQUEST, { ...tools, verifiers })).deployment.status).toBe('succeeded');
    const strict = { ...toolsOf(world({ pending: [] })), strict: true };
    const { deployment: ended, message } = await release(REQUEST, { ...strict, verifiers });
    expect(ended.status).toBe('aborted');
    expect(message).toContain('verify: disk: nearly full');
    // The way back goes on with a warning: it is better than none.
    const smoked = await release(REQUEST, { ...strict, smoke: warned });
    expect(smoked.message).toContain('smoke: disk: nearly full');
    expect(smoked.deployment.status).toBe('rolled_back');
  });

  it('only warns of what the soft gate finds', async () => {
    const { deployment: ended } = await release(REQUEST, toolsOf(world(), { strict: true }));
    expect(ended.phases[2]).toMatchObject({ status: 'done', summary: '1 looked at; warnings: pooler: none' });
  });

  it.each(['freeze', 'look at target', 'triage', 'impact', 'gate', 'soft gate', 'up'])(
    'unfreezes when %s fails, and has changed nothing',
    async (act) => {
      const w = world();
      const { deployment: ended, message } = await release(REQUEST, toolsOf(w, failing(act)));
      expect(ended.status).toBe('aborted');
      expect(message).toContain('as the test wants\nAborted: nothing was changed');
      expect(w).toMatchObject({ frozen: false, serving: OLD, pending: ['2_new'] });
    },
  );

  it('unfreezes when verify fails and there was nothing to migrate', async () => {
    const w = world({ pending: [] });
    const { deployment: ended } = await release(REQUEST, toolsOf(w, failing('verify')));
    expect(ended.status).toBe('aborted');
    expect(w.frozen).toBe(false);
  });

  it('waits with the schema migrated when verify fails, and says how to go on', async () => {
    const w = world();
    const { deployment: left, message } = await release(REQUEST, toolsOf(w, failing('verify')));
    expect(left.status).toBe('running');
    expect(message).toContain('release the same commit to go on, or go back with `dragonfly rollback`');
    expect(w).toMatchObject({ frozen: true, serving: OLD });
    const { deployment: ended } = await release({ ...REQUEST, id: 'd2' }, toolsOf(w));
    expect(ended).toMatchObject({ id: 'd1', status: 'succeeded' });
    expect(w.acts.filter((act) => act === 'gate' || act === 'up')).toHaveLength(2);
  });

  it.each(['deploy new', 'unfreeze', 'smoke new', 'look'])(
    'goes back at once when %s fails, and smokes again',
    async (act) => {
      const w = world();
      const tools = toolsOf(w, act === 'look' ? { sample: { sha: 'of another' } } : failing(act));
      const { deployment: ended, message } = await release(REQUEST, tools);
      expect(ended.status).toBe('rolled_back');
      expect(message).toContain(`Rolled back: ${OLD} serves again.`);
      expect(w.acts.slice(-4)).toEqual(BACK);
      expect(w).toMatchObject({ frozen: false, serving: OLD });
    },
  );

  it('has failed when the smoke test after the way back fails, too, and calls somebody', async () => {
    const w = world();
    const faults = {
      before: (act: string) => {
        if (act.startsWith('smoke')) throw new Error('red');
      },
    };
    const { deployment: ended, message } = await release(REQUEST, toolsOf(w, faults));
    expect(ended.status).toBe('failed');
    expect(message).toMatch(/^smoke: red\nrollback-smoke: red\n.*failed, and somebody is needed now/);
  });

  it('has failed, with nothing frozen, when the first release ever does not serve', async () => {
    const w = world({ log: [] });
    const { deployment: ended, message } = await release(REQUEST, toolsOf(w, failing('smoke new')));
    expect(ended.status).toBe('failed');
    expect(message).toContain('no good commit before it');
    expect(w.frozen).toBe(false);
  });

  describe('killed in the middle', () => {
    const points = [...WHOLE.map((act, index) => [act, index] as const), ['look', WHOLE.length] as const];

    it.each(points)('of %s, is gone on with to its end', async (act, index) => {
      const w = world();
      const kill = once(act, () => {
        throw new Killed();
      });
      await expect(release(REQUEST, toolsOf(w, kill))).rejects.toThrow('killed');
      expect(w.log[0]).toMatchObject({ id: 'd1', status: 'running' });
      const { deployment: ended } = await release({ ...REQUEST, id: 'd2' }, toolsOf(w));
      expect(ended).toMatchObject({ id: 'd1', status: 'succeeded' });
      expect(w).toMatchObject({ frozen: false, serving: NEW, pending: [] });
      // Once what came before and still holds, twice what was killed.
      expect(w.acts.filter((one) => WHOLE.indexOf(one) < index && isOnce(one))).toEqual(
        WHOLE.slice(0, index).filter(isOnce),
      );
    });

    it.each(points)('of %s, can be rolled back', async (act, index) => {
      const w = world();
      const kill = once(act, () => {
        throw new Killed();
      });
      await expect(release(REQUEST, toolsOf(w, kill))).rejects.toThrow('killed');
      const { deployment: ended } = await rollback(ROLLBACK, toolsOf(w));
      expect(ended).toMatchObject({
        id: 'd1',
        status: index <= WHOLE.indexOf('up') ? 'aborted' : 'rolled_back',
      });
      expect(w).toMatchObject({ frozen: false, serving: OLD });
    });

    it.each(BACK)('of %s on the way back, goes on with the way back', async (act) => {
      const w = world();
      let wasRed = false;
      const faults: Faults = {
        before: (one) => {
          if (one === 'smoke new') {
            wasRed = true;
            throw new Error('red');
          }
          if (wasRed && one === act) throw new Killed();
        },
      };
      await expect(release(REQUEST, toolsOf(w, faults))).rejects.toThrow('killed');
      const { deployment: ended } = await release(REQUEST, toolsOf(w));
      expect(ended).toMatchObject({ id: 'd1', status: 'rolled_back' });
      expect(w).toMatchObject({ frozen: false, serving: OLD });
    });
  });

  describe('stopped by a signal', () => {
    it.each(['freeze', 'impact', 'gate', 'soft gate'])('in %s, unfreezes', async (act) => {
      const w = world();
      const { deployment: ended } = await release(REQUEST, toolsOf(w, stopped(act)));
      expect(ended.status).toBe('aborted');
      expect(w).toMatchObject({ frozen: false, serving: OLD, pending: ['2_new'] });
    });

    it.each(['up', 'verify', 'deploy new', 'smoke new', 'look'])(
      'in %s, waits to be gone on with',
      async (act) => {
        const w = world();
        const { deployment: left, message } = await release(REQUEST, toolsOf(w, stopped(act)));
        expect(left.status).toBe('running');
        expect(message).toContain('SIGTERM');
        expect((await release(REQUEST, toolsOf(w))).deployment).toMatchObject({
          id: 'd1',
          status: 'succeeded',
        });
      },
    );
  });

  it('freezes again what somebody has unfrozen while it waited', async () => {
    const w = world();
    await release(REQUEST, toolsOf(w, failing('verify')));
    w.frozen = false;
    const deploys: boolean[] = [];
    const before = (act: string): void => void (act === 'deploy new' && deploys.push(w.frozen));
    await release(REQUEST, toolsOf(w, { before }));
    expect(deploys).toEqual([true]);
  });

  it('says why, with every cause', async () => {
    const cause = new Error('column "x" does not exist');
    const faults = once('up', () => {
      throw new Error('Migration 2_new failed.', { cause });
    });
    const { message } = await release(REQUEST, toolsOf(world(), faults));
    expect(message).toContain('migrate: Migration 2_new failed. (column "x" does not exist)');
  });

  it('says what to do when the log cannot be written', async () => {
    const { log, ...tools } = toolsOf(world());
    const broken = { ...log, save: async () => await Promise.reject(new Error('no connection')) };
    const call = release(REQUEST, { ...tools, log: broken });
    await expect(call).rejects.toThrow('Once it can, run this again: it goes on.');
  });

  it('does not take for verified what nobody looked at', async () => {
    const verifiers = [{ name: 'doctor', verify: async () => await Promise.resolve([]) }];
    const { deployment: left, message } = await release(REQUEST, { ...toolsOf(world()), verifiers });
    expect(left.status).toBe('running');
    expect(message).toContain('doctor looked at nothing');
  });

  it('asks the gate again when its verdict is older than an hour and nothing is migrated', async () => {
    const w = world();
    const kill = once('soft gate', () => {
      throw new Killed();
    });
    await expect(release(REQUEST, toolsOf(w, kill))).rejects.toThrow('killed');
    w.now = STARTED + GATE_LIFE_MS + 1;
    await release(REQUEST, toolsOf(w));
    expect(w.acts.filter((act) => act === 'gate')).toHaveLength(2);
  });

  it('is refused while that of another commit has not ended, with what to do', async () => {
    const w = world({ log: [deployment({ status: 'running', actor: 'another' })] });
    await expect(release(REQUEST, toolsOf(w))).rejects.toThrow(
      `A release to ${OLD} by another, target process, has not ended in staging: release that commit to go on with it, or go back with \`dragonfly rollback\`.`,
    );
    expect(w.acts).toEqual([]);
  });

  it('[DATA-4] tells the gate which commit served before', async () => {
    const tools = toolsOf(world());
    const hardGate = vi.fn<typeof tools.hardGate>(tools.hardGate);
    await release(REQUEST, { ...tools, hardGate });
    expect(hardGate).toHaveBeenCalledExactlyOnceWith(OLD, tools.signal);
  });

  it('is refused by a gate that looked at another commit', async () => {
    const tools = toolsOf(world());
    const hardGate: typeof tools.hardGate = async (base, signal) => ({
      ...(await tools.hardGate(base, signal)),
      sha: OLD,
    });
    const { message } = await release(REQUEST, { ...tools, hardGate });
    expect(message).toContain(`hard-gate: The gate looked at ${OLD}.`);
  });

  it.each<[string, Partial<Means>]>([
    ['outside dev only a commit is released', { isClean: false }],
    ['watched for 15 minutes or more', { watchMs: 899_999 }],
    ['say where port 9090 is by --ops-url', { seesErrors: false }],
    ['give DRAGONFLY_SMOKE_KEY', { hasSmokeKey: false }],
    ['say --allowed-origin', { knowsOrigin: false }],
  ])('[API-8] is forbidden whoever asks, before anything is done: %s', async (why, means) => {
    const w = world();
    await expect(release(REQUEST, toolsOf(w, { means }))).rejects.toThrow(why);
    expect(w).toMatchObject({ acts: [], log: [deployment()] });
  });

  it('may be watched shorter and without metrics in dev', async () => {
    const w = world({ log: [] });
    const means = { isClean: false, watchMs: 1000, seesErrors: false };
    const { deployment: ended } = await release(
      { ...REQUEST, env: 'dev' },
      toolsOf(w, { means, sample: { process: null } }),
    );
    expect(ended.status).toBe('succeeded');
    expect(ended.phases.at(-1)?.summary).toContain('errors were not seen');
  });

  it('goes back when the metrics that it is watched by stop answering', async () => {
    const w = world();
    const { deployment: ended, message } = await release(REQUEST, toolsOf(w, { sample: { process: null } }));
    expect(ended.status).toBe('rolled_back');
    expect(message).toContain('its metrics did not answer 3 times in a row');
  });

  it('is refused while somebody else keeps the queues frozen, and leaves them so', async () => {
    const w = world({ frozen: true, holder: 'since noon by somebody' });
    const { deployment: ended, message } = await release(REQUEST, toolsOf(w));
    expect(ended.status).toBe('aborted');
    expect(message).toContain('The queues are frozen since noon by somebody, and not by a release');
    expect(w.frozen).toBe(true);
  });

  it.each([
    ['unfreeze', 'warning', 'smoke new without job'],
    ['smoke new', 'critical', 'smoke new'],
  ] as const)(
    'does not go back, strict or not, when somebody freezes the queues at %s',
    async (act, severity, smoke) => {
      const w = world();
      const tools = toolsOf(w, { strict: true, ...once(act, () => (w.holder = 'since noon by somebody')) });
      const withoutJob: typeof tools.smoke = async (...given) => [
        ...(await tools.smoke(...given)),
        { check: 'job', severity, summary: 'none' },
      ];
      const { deployment: ended } = await release(REQUEST, { ...tools, smoke: withoutJob });
      expect(ended.status).toBe('succeeded');
      expect(ended.phases.find(({ name }) => name === 'smoke')?.summary).toBe(
        '1 looked at; no job was seen there and back, for the queues are frozen since noon by somebody',
      );
      expect(w.acts).toContain(smoke);
    },
  );
});

describe('[DEP-2] a release with migrations', () => {
  const ADVISORY = {
    advisory: 'GHSA-aaaa-bbbb-cccc',
    dependency: 'pack',
    reason: 'It is only reached by the tests.',
    plan: 'The next version.',
    approver: 'somebody',
    until: '2026-11-28',
  };

  it('carries scan, triage and impact, in the log', async () => {
    const w = world();
    await release(REQUEST, toolsOf(w, { accepted: [ADVISORY] }));
    expect(w.log[0]?.schemaChange).toEqual({
      scan: { check: 'advisories', verdict: 'pass', at: '2026-11-28T00:00:00.000Z' },
      triage: [ADVISORY],
      impact: [impactOn('2_new')],
    });
  });

  it.each<[string, Faults]>([
    ['the check advisories did not run', { scan: undefined }],
    ['the check advisories says warn', { scan: 'warn' }],
    [
      'What was accepted of GHSA-aaaa-bbbb-cccc ended on 2026-11-27',
      { accepted: [{ ...ADVISORY, until: '2026-11-27' }] },
    ],
    ['hard-gate: as the test wants', failing('triage')],
    ['Nobody knows what 2_new does', { impact: { name: '3_other' } }],
  ])('is refused in its hard gate: %s', async (why, faults) => {
    const w = world();
    const { deployment: ended, message } = await release(REQUEST, toolsOf(w, faults));
    expect(ended.status).toBe('aborted');
    expect(message).toContain(why);
    expect(w).toMatchObject({ pending: ['2_new'], serving: OLD, frozen: false });
  });

  it('needs no scan in dev, whose gate has none', async () => {
    const w = world({ log: [] });
    await release({ ...REQUEST, env: 'dev' }, toolsOf(w, { scan: undefined }));
    expect(w.log[0]).toMatchObject({ status: 'succeeded', schemaChange: { scan: null } });
  });

  it('carries nothing without a migration', async () => {
    const w = world({ pending: [] });
    await release(REQUEST, toolsOf(w, { scan: undefined }));
    expect(w.log[0]).toMatchObject({ status: 'succeeded', schemaChange: null });
  });

  it('[DATA-2] is refused in prod when one breaks the release before and nothing is prepared to take it back', async () => {
    const request = { ...REQUEST, env: 'prod' } as const;
    const w = world({ log: [] });
    const { message } = await release(request, toolsOf(w, { impact: { isBreaking: true } }));
    expect(message).toContain('2_new breaks the release before, and nothing is prepared to take it back');
    expect(w).toMatchObject({ pending: ['2_new'], frozen: false });
    const impact = { isBreaking: true, rollback: '3_rollback_1' };
    expect((await release(request, toolsOf(w, { impact }))).deployment.status).toBe('succeeded');
  });
});
