import type { MigrationImpact } from '#src/application/migrations/impact.ts';
import type { Deployment } from '#src/application/release/deployment.ts';
import type {
  AppliedMigration,
  PreparedRollback,
  ReleaseTools,
  WatchSample,
} from '#src/application/release/ports.ts';
import type { ReleaseRequest } from '#src/application/release/release.ts';
import type { Means } from '#src/application/release/rules.ts';
import type { AcceptedAdvisory } from '#src/application/release/triage.ts';
import { reasonOf } from '#src/composition/reason.ts';

export const OLD = 'a'.repeat(40);
export const NEW = 'b'.repeat(40);
export const STARTED = Date.parse('2026-11-28T00:00:00Z');

export const REQUEST: ReleaseRequest = {
  id: 'd1',
  env: 'staging',
  gitSha: NEW,
  target: 'process',
  actor: 'somebody',
  schema: '2_new',
};

export const deployment = (changes: Partial<Deployment> = {}): Deployment => ({
  ...REQUEST,
  id: 'd0',
  kind: 'release',
  gitSha: OLD,
  previousSha: null,
  startedAt: '2026-11-27T00:00:00Z',
  endedAt: '2026-11-27T00:10:00Z',
  status: 'succeeded',
  phases: [],
  gate: null,
  schema: '1_old',
  migrations: [],
  schemaChange: null,
  ...changes,
});

export const impactOn = (name: string, changes: Partial<MigrationImpact> = {}): MigrationImpact => ({
  name,
  transactional: true,
  compatibility: 'the release before works',
  isBreaking: false,
  statements: { 'alter table': 1 },
  objects: ['ops.job'],
  locks: [{ relation: 'ops.job', mode: 'ACCESS EXCLUSIVE', rows: 12, bytes: 8192 }],
  unseen: 0,
  loses: null,
  rollback: null,
  contractTests: [],
  ...changes,
});

/** Everything that a release acts on. It stays when a process is killed, and so does not what a runner knows. */
export interface World {
  log: Deployment[];
  serving: string;
  frozen: boolean;
  /** Who froze the queues, if it was no release. */
  holder: string | undefined;
  pending: string[];
  applied: AppliedMigration[];
  prepared: PreparedRollback[];
  now: number;
  /** Every act, in its order. */
  acts: string[];
}

export const world = (changes: Partial<World> = {}): World => ({
  log: [deployment()],
  serving: OLD,
  frozen: false,
  holder: undefined,
  pending: ['2_new'],
  applied: [{ name: '1_old', compatible: true, takesBack: null }],
  prepared: [],
  now: STARTED,
  acts: [],
  ...changes,
});

export interface Faults {
  /** Called before each act, by its name: throws to fail it. */
  readonly before?: (act: string) => void;
  readonly signal?: AbortSignal;
  readonly allowDown?: boolean;
  readonly sample?: Partial<WatchSample>;
  readonly means?: Partial<Means>;
  readonly strict?: boolean;
  readonly accepted?: readonly AcceptedAdvisory[];
  readonly impact?: Partial<MigrationImpact>;
  /** What the gate says of its scan of the dependencies, if it has one. */
  readonly scan?: string | undefined;
}

const COUNTED = { startedAt: 1, requests: 0, errors: 0 };

/** A kill: nothing of the runner runs after it, and nothing is recorded. */
export class Killed extends Error {
  override readonly name = 'Killed';
  override readonly message = 'killed';
}

export function toolsOf(w: World, faults: Faults = {}): ReleaseTools {
  const { before, signal, allowDown = false, sample, strict = false, accepted = [] } = faults;
  let dead = false;
  function act(name: string): void {
    if (dead) throw new Killed();
    w.acts.push(name);
    try {
      before?.(name);
    } catch (error) {
      dead = error instanceof Killed;
      throw error;
    }
  }
  const aborted = signal ?? new AbortController().signal;
  return {
    log: {
      running: async (env) =>
        await Promise.resolve(w.log.find((one) => one.env === env && one.status === 'running')),
      history: async (env) =>
        await Promise.resolve(w.log.filter((one) => one.env === env && one.status !== 'running')),
      save: async (saved) => {
        if (dead) throw new Killed();
        const index = w.log.findIndex(({ id }) => id === saved.id);
        if (index < 0) w.log.unshift(saved);
        else w.log[index] = saved;
        await Promise.resolve();
      },
    },
    target: {
      describe: (sha) => `serve ${sha}`,
      check: async () => {
        act('look at target');
        await Promise.resolve();
      },
      deploy: async ({ sha }) => {
        act(`deploy ${sha === OLD ? 'old' : 'new'}`);
        w.serving = sha;
        return await Promise.resolve(sha);
      },
    },
    queues: {
      freeze: async () => {
        act('freeze');
        w.frozen = true;
        await Promise.resolve();
      },
      unfreeze: async () => {
        act('unfreeze');
        w.frozen = w.holder !== undefined;
        await Promise.resolve();
      },
      heldBy: async () => await Promise.resolve(w.holder),
    },
    migrations: {
      pending: async () => await Promise.resolve([...w.pending]),
      applied: async () => await Promise.resolve([...w.applied]),
      up: async () => {
        act('up');
        const applied = w.pending.splice(0);
        w.applied.push(...applied.map((name) => ({ name, compatible: true, takesBack: null })));
        return await Promise.resolve(applied);
      },
      downThrough: async (name) => {
        act(`down ${name}`);
        w.applied = w.applied.filter((one) => one.name < name);
        return await Promise.resolve([name]);
      },
      prepared: async () => await Promise.resolve([...w.prepared]),
      applyPrepared: async (names) => {
        act(`apply ${names.join(', ')}`);
        const now = w.prepared.filter(({ name }) => names.includes(name));
        w.prepared = w.prepared.filter((one) => !now.includes(one));
        w.applied.push(...now.map(({ name, takesBack }) => ({ name, takesBack, compatible: true })));
        return await Promise.resolve(names);
      },
    },
    hardGate: async () => {
      act('gate');
      return await Promise.resolve({
        sha: NEW,
        strict: true,
        started_at: new Date(w.now).toISOString(),
        passed: true,
        hashes: {},
        checks: [
          { name: 'tests', verdict: 'pass' },
          ...('scan' in faults && faults.scan === undefined
            ? []
            : [{ name: 'advisories', verdict: faults.scan ?? 'pass' }]),
        ],
        logs: null,
      });
    },
    triage: async () => {
      act('triage');
      return await Promise.resolve(accepted);
    },
    impact: async (names) => {
      act('impact');
      return await Promise.resolve(names.map((name) => impactOn(name, faults.impact)));
    },
    softGate: async () => {
      act('soft gate');
      return await Promise.resolve([{ check: 'pooler', severity: 'critical', summary: 'none' } as const]);
    },
    verifiers: [
      {
        name: 'doctor',
        verify: async () => {
          act('verify');
          return await Promise.resolve([{ check: 'disk', severity: 'ok', summary: 'free' } as const]);
        },
      },
    ],
    smoke: async (sha, { job }) => {
      act(`smoke ${sha === OLD ? 'old' : 'new'}${job ? '' : ' without job'}`);
      return await Promise.resolve([{ check: 'sha', severity: 'ok', summary: sha } as const]);
    },
    look: async () => {
      act('look');
      return await Promise.resolve({ ready: true, sha: w.serving, process: COUNTED, ...sample });
    },
    means: {
      isClean: true,
      watchMs: 900_000,
      seesErrors: true,
      hasSmokeKey: true,
      knowsOrigin: true,
      ...faults.means,
    },
    strict,
    allowDown,
    clock: {
      now: () => w.now,
      sleep: async (ms) => {
        w.now += ms;
        aborted.throwIfAborted();
        await Promise.resolve();
      },
    },
    reasonOf,
    signal: aborted,
    progress: () => {},
  };
}
