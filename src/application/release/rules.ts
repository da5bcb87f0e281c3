import { Forbidden } from '../forbidden.ts';
import type { GateEnvironment } from '../gate/check.ts';

/** DEP-4. */
const LEAST_WATCH_MS = 900_000;

/** With what a release or rollback looks at what it does. */
export interface Means {
  /** The files of the checkout are those of its commit. */
  readonly isClean: boolean;
  readonly watchMs: number;
  /** It knows where the metrics are. */
  readonly seesErrors: boolean;
  /** The smoke test can queue a job. */
  readonly hasSmokeKey: boolean;
  /** It was said which origin may call, or that none may. */
  readonly knowsOrigin: boolean;
}

export interface Undertaking {
  readonly env: GateEnvironment;
  readonly kind: 'release' | 'rollback';
  readonly dryRun: boolean;
}

/** @throws Forbidden */
export function refuseWithout(means: Means, { env, kind, dryRun }: Undertaking): void {
  const isWatched = env !== 'dev' && kind === 'release';
  const rules: readonly (readonly [isBroken: boolean, what: string])[] = [
    [
      isWatched && means.watchMs < LEAST_WATCH_MS,
      'A release is watched for 15 minutes or more, outside dev (DEP-4): --watch 15m.',
    ],
    [
      isWatched && !means.seesErrors,
      'A release is watched for errors, and only its metrics count them: say where port 9090 is by --ops-url, and --ops-token-file where it asks for a token (DEP-4).',
    ],
    [
      env !== 'dev' && !means.isClean,
      'Files differ from the commit: outside dev only a commit is released. Commit them, or take them back.',
    ],
    [
      !dryRun && !means.hasSmokeKey,
      'The smoke test of a release queues a job: give DRAGONFLY_SMOKE_KEY (DEP-3).',
    ],
    [
      !dryRun && !means.knowsOrigin,
      'The smoke test calls from an origin that may: say --allowed-origin, or none where there is none (DEP-3).',
    ],
  ];
  const broken = rules.find(([isBroken]) => isBroken);
  if (broken) throw new Forbidden(broken[1]);
}
