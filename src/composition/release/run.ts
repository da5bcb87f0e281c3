import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { httpCaller } from '#src/adapters/outbound/http-client/caller.ts';
import { hasDeploymentLog, postgresDeploymentLog } from '#src/adapters/outbound/postgres/deployment-log.ts';
import { latestMigration } from '#src/adapters/outbound/postgres/migrations.ts';
import { MIGRATIONS_FOLDER } from '#src/adapters/outbound/postgres/migrator.ts';
import { type SqlQuery, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueFreeze } from '#src/adapters/outbound/postgres/queue-freeze.ts';
import { withReleaseLock } from '#src/adapters/outbound/postgres/release-lock.ts';
import { releaseMigrations } from '#src/adapters/outbound/postgres/release-migrations.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { GateCheck, GateEnvironment } from '#src/application/gate/check.ts';
import { type Plan, planRelease, planRollback } from '#src/application/release/plan.ts';
import type { ReleaseTools } from '#src/application/release/ports.ts';
import { type Left, release } from '#src/application/release/release.ts';
import { rollback } from '#src/application/release/rollback.ts';
import type { Means } from '#src/application/release/rules.ts';
import { lookSoftly } from '#src/application/release/soft-gate.ts';
import { lookAt } from '#src/application/release/watch-sample.ts';
import type { HttpCaller } from '#src/application/smoke/ports.ts';
import { smoke } from '#src/application/smoke/smoke.ts';
import { migrateOptions, migrationImpact } from '#src/composition/migrations.ts';
import { reasonOf } from '#src/composition/reason.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { hardGate } from './hard-gate.ts';
import { softChecks } from './soft-checks.ts';
import type { TargetOf } from './targets.ts';
import { acceptedIn } from './triage.ts';
import { verifiersOf } from './verifiers.ts';

export interface Setup {
  readonly env: GateEnvironment;
  readonly environment: Environment;
  /** Of the checkout. */
  readonly root: string;
  /** Its commit. */
  readonly sha: string;
  readonly strict: boolean;
  readonly target: TargetOf;
  readonly allowedOrigin: string | null | undefined;
  readonly smokeKey: string | undefined;
  readonly smokeWaitMs: number;
  readonly opsToken: string | undefined;
  readonly watchMs: number;
  readonly allowDown: boolean;
  readonly gateReport?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
  /** Instead of the gate's own, in tests. */
  readonly gateTable?: readonly GateCheck[];
  /** What the doctor finds and is known, as that the server of a test syncs nothing. */
  readonly expected?: readonly string[];
}

/** A dry run, or where the release was left. */
export const runRelease = async (setup: Setup, dryRun: boolean): Promise<Left | Plan> =>
  await withTools(setup, async (tools) => {
    const request = {
      ...requestOf(setup),
      gitSha: setup.sha,
      schema: await latestMigration(MIGRATIONS_FOLDER),
    };
    return dryRun ? await planRelease(request, tools) : await release(request, tools);
  });

export const runRollback = async (
  setup: Setup,
  { to, dryRun }: { readonly to: string | undefined; readonly dryRun: boolean },
): Promise<Left | Plan> =>
  await withTools(setup, async (tools) => {
    const request = { ...requestOf(setup), to };
    return dryRun ? await planRollback(request, tools) : await rollback(request, tools);
  });

const requestOf = ({ env, environment, target }: Setup) => ({
  id: randomUUID(),
  env,
  target: target.name,
  actor: actorOf(environment),
});

const actorOf = (environment: Environment): string =>
  loadConfig(['release'], environment).DRAGONFLY_RELEASE_ACTOR ?? `${userInfo().username}@${hostname()}`;

/** While nobody else releases to this environment. */
async function withTools<T>(setup: Setup, work: (tools: ReleaseTools) => Promise<T>): Promise<T> {
  const { env, environment } = setup;
  const url = loadConfig(['release'], environment).DRAGONFLY_OWNER_DATABASE_URL;
  const stop = new AbortController();
  const http = httpCaller();
  try {
    return await withReleaseLock(
      { url, env },
      (error) => stop.abort(error),
      async () => {
        const signal = AbortSignal.any([setup.signal, stop.signal]);
        return await work(await toolsOf({ ...setup, signal }, http, stop.signal));
      },
    );
  } finally {
    await http.close();
  }
}

const pause = async (ms: number, signal: AbortSignal): Promise<void> =>
  await sleep(ms, undefined, { signal });

/** @param lost aborted once somebody else may have the lock: from then on nothing is recorded, frozen or unfrozen */
async function toolsOf(setup: Setup, http: HttpCaller, lost: AbortSignal): Promise<ReleaseTools> {
  const { env, environment, root, sha, strict, target, allowDown, signal, progress } = setup;
  const { migrator } = migrateOptions(environment);
  const database = { url: migrator.databaseUrl, startTimeoutMs: migrator.startTimeoutMs };
  const run = async (statement: SqlQuery) => {
    lost.throwIfAborted();
    return await withPool(database, 'dragonfly-release', async (pool) => await query(pool, statement));
  };
  if (!(await hasDeploymentLog(run)))
    throw new Error(
      'The database has no log of deployments: set the environment up by `dragonfly migrate up`.',
    );
  const clock = { now: () => performance.now(), sleep: async (ms: number) => await pause(ms, signal) };
  return {
    log: postgresDeploymentLog(run),
    target: target.open(http),
    queues: postgresQueueFreeze(run, actorOf(environment)),
    migrations: releaseMigrations(migrator),
    hardGate: async (base, signal) => {
      const table = setup.gateTable && { table: setup.gateTable };
      const place = await target.place().catch(() => {
        // Before the first release nothing serves.
        return undefined;
      });
      const gate = { root, sha, env, strict, environment, place, base, progress, report: setup.gateReport };
      return await hardGate({ ...gate, ...table }, signal);
    },
    softGate: async () =>
      await lookSoftly(
        softChecks({ environment, http, place: target.place, opsToken: setup.opsToken }),
        reasonOf,
      ),
    verifiers: verifiersOf(setup),
    triage: async () => await acceptedIn(root),
    impact: async (names) => await migrationImpact(environment, names),
    smoke: async (sha, { job }) => {
      const { url, opsUrl } = await target.place();
      const { smokeKey, allowedOrigin } = setup;
      const key = job ? smokeKey : undefined;
      return await smoke(
        { url, metricsUrl: opsUrl, sha, key, allowedOrigin, securityHeaders: SECURITY_HEADERS },
        setup.smokeWaitMs,
        { http, clock, nonce: randomUUID(), progress },
      );
    },
    look: async () => await lookAt(http, { ...(await target.place()), opsToken: setup.opsToken }),
    means: meansOf(setup),
    strict,
    allowDown,
    clock: { now: () => Date.now(), sleep: pause },
    reasonOf,
    signal,
    progress,
  };
}

const meansOf = ({ sha, target, watchMs, smokeKey, allowedOrigin }: Setup): Means => ({
  isClean: !sha.endsWith('-dirty'),
  watchMs,
  seesErrors: target.hasMetrics,
  hasSmokeKey: smokeKey !== undefined,
  knowsOrigin: allowedOrigin !== undefined,
});
