import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { postgresDdlLog } from '#src/adapters/outbound/postgres/ddl-log.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { readDatabaseFacts } from '#src/adapters/outbound/postgres/database-facts.ts';
import { readLiveKeys } from '#src/adapters/outbound/postgres/live-keys.ts';
import { migrationStatus } from '#src/adapters/outbound/postgres/migrator.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { type PoolPlan, databaseFindings } from '#src/application/checks/database-findings.ts';
import type { Examination } from '#src/application/checks/doctor.ts';
import { keyExpiry } from '#src/application/checks/key-expiry.ts';
import {
  credentialFindings,
  machineFindings,
  pendingFindings,
  redisFindings,
} from '#src/application/checks/other-findings.ts';
import { queueFindings } from '#src/application/checks/queue-findings.ts';
import { trustFindings } from '#src/application/checks/trust-findings.ts';
import { jobRegistry } from '#src/application/jobs/registry.ts';
import { listDirectDdl } from '#src/application/migrations/direct-ddl.ts';
import { credentialsOf } from '#src/config/credentials.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';

const STATEMENT_TIMEOUT_MS = 10_000;

const DEADLINES = new Map(
  [...jobRegistry.values()].map(({ type, timeoutSeconds }) => [type, timeoutSeconds]),
);

/** Most replicas of a role, where they are given rather than in the environment. */
export interface GivenReplicas {
  readonly api?: number | undefined;
  readonly worker?: number | undefined;
}

/** Everything that the doctor looks at. */
export function examinations(environment: Environment, given: GivenReplicas = {}): Examination[] {
  const config = loadConfig(['doctor'], environment);
  const roles = {
    api: config.DRAGONFLY_API_ROLE,
    worker: config.DRAGONFLY_WORKER_ROLE,
    readonly: config.DRAGONFLY_READONLY_ROLE,
  };
  const database = { url: config.DRAGONFLY_OWNER_DATABASE_URL, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
  const api = given.api ?? config.DRAGONFLY_API_REPLICAS_MAX;
  const worker = given.worker ?? config.DRAGONFLY_WORKER_REPLICAS_MAX;
  const plan: PoolPlan = {
    poolMax: config.DRAGONFLY_DATABASE_POOL_MAX,
    replicas: api === undefined || worker === undefined ? undefined : { api, worker },
    isDev: config.DRAGONFLY_ENV === 'dev',
  };
  const redisUrl = config.DRAGONFLY_REDIS_URL;
  return [
    {
      name: 'postgres',
      examine: async () => {
        const facts = await withPool(database, 'dragonfly-doctor', async (pool) =>
          readDatabaseFacts(pool, { runtimeRoles: Object.values(roles), deadlines: DEADLINES }),
        );
        return [
          ...databaseFindings(facts, plan),
          ...trustFindings(facts, Date.now()),
          ...queueFindings(facts.queue),
        ];
      },
    },
    {
      name: 'keys',
      examine: async () => [keyExpiry(await withPool(database, 'dragonfly-doctor', readLiveKeys))],
    },
    {
      name: 'migrations',
      examine: async () => {
        const status = await migrationStatus({ databaseUrl: database.url, roles });
        return pendingFindings({
          pending: status.filter(({ appliedAt }) => !appliedAt).map(({ name }) => name),
        });
      },
    },
    {
      name: 'direct-ddl',
      examine: async () =>
        await withPool(database, 'dragonfly-doctor', async (pool) =>
          listDirectDdl(postgresDdlLog(async (statement) => await query(pool, statement))),
        ),
    },
    ...(redisUrl === undefined
      ? []
      : [
          {
            name: 'redis',
            examine: async () => {
              const { readRedisFacts } = await import('#src/adapters/outbound/redis/redis-facts.ts');
              return redisFindings(await readRedisFacts(redisUrl), Date.now());
            },
          },
        ]),
    {
      name: 'credentials',
      examine: async () => Promise.resolve(credentialFindings(credentialsOf(environment))),
    },
    {
      name: 'machine',
      examine: async () => {
        const temporaryFolder = tmpdir();
        const { bavail, bsize } = await statfs(temporaryFolder);
        return machineFindings({ temporaryFolder, freeTemporaryBytes: bavail * bsize });
      },
    },
  ];
}
