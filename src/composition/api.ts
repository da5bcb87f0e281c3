import { setTimeout as sleep } from 'node:timers/promises';
import { buildApp } from '#src/adapters/inbound/http/app.ts';
import { apiKeyFormat, newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { postgresApiKeyAdministration } from '#src/adapters/outbound/postgres/api-key-administration.ts';
import { postgresApiKeys } from '#src/adapters/outbound/postgres/api-keys.ts';
import { postgresAuditStore } from '#src/adapters/outbound/postgres/audit-store.ts';
import { keyUseDrops } from '#src/adapters/outbound/postgres/metrics.ts';
import { postgresIdempotency } from '#src/adapters/outbound/postgres/idempotency.ts';
import { postgresQueueStore } from '#src/adapters/outbound/postgres/queue-store.ts';
import { postgresTransactions } from '#src/adapters/outbound/postgres/transactions.ts';
import { redisPermits } from '#src/adapters/outbound/redis/permits.ts';
import { apiKeyUseCases } from '#src/application/access/api-keys.ts';
import { makeAuthenticate } from '#src/application/access/authenticate.ts';
import { decide } from '#src/application/access/decide.ts';
import { makeKeyUse } from '#src/application/access/key-use.ts';
import type { KnownKey } from '#src/application/access/ports.ts';
import { auditUseCases } from '#src/application/audit/use-cases.ts';
import { makeIdempotency } from '#src/application/idempotency/idempotency.ts';
import { jobRegistry } from '#src/application/jobs/registry.ts';
import { queueUseCases } from '#src/application/queue/use-cases.ts';
import type { Config } from '#src/config/load.ts';
import { LRUCache } from 'lru-cache';
import type { Base, Part } from './base.ts';
import { openDatabase } from './database.ts';

const KNOWN_KEYS = 10_000;

export async function openApi(config: Config<'api'>, base: Base): Promise<Part> {
  const { metrics, readiness, tracing } = base;
  const logger = base.loggerOf('api');
  const {
    pool,
    wake,
    close: closeDatabase,
  } = await openDatabase(config, base.secrets.of('DRAGONFLY_API_DATABASE_URL'), 'api', base);
  const redis = await connectRedis(config, base);

  const transactions = postgresTransactions(pool, wake);
  const keys = postgresApiKeys(pool);
  const keyUse = makeKeyUse(keys, {
    onError: (error) => {
      logger.debug({ error }, 'last use of API keys not recorded');
    },
    onDrop: keyUseDrops(metrics),
  });
  const app = await buildApp(
    {
      gitSha: config.DRAGONFLY_GIT_SHA,
      docs: config.DRAGONFLY_ENV === 'dev',
      corsOrigins: config.DRAGONFLY_CORS_ORIGINS,
      trustedProxies: config.DRAGONFLY_TRUSTED_PROXIES,
      limits: {
        authenticatedPerMinute: config.DRAGONFLY_RATE_LIMIT_AUTHENTICATED,
        anonymousPerMinute: config.DRAGONFLY_RATE_LIMIT_ANONYMOUS,
      },
      loggedGrants: config.DRAGONFLY_LOG_GRANTS_RATIO,
      load: {
        inFlight: config.DRAGONFLY_SHED_IN_FLIGHT,
        inFlightSaturated: config.DRAGONFLY_SHED_IN_FLIGHT_SATURATED,
        waiting: config.DRAGONFLY_SHED_WAITING,
        waitMs: config.DRAGONFLY_SHED_WAIT,
      },
    },
    {
      queue: queueUseCases({ transactions, store: postgresQueueStore, registry: jobRegistry }),
      apiKeys: apiKeyUseCases({
        transactions,
        store: postgresApiKeyAdministration,
        newSecret: newApiKey,
      }),
      audit: auditUseCases({ transactions, store: postgresAuditStore }),
      decide,
      idempotency: makeIdempotency(postgresIdempotency(pool, wake)),
      authenticate: makeAuthenticate({
        format: apiKeyFormat,
        keys,
        cache: new LRUCache<string, KnownKey>({ max: KNOWN_KEYS, ttl: config.DRAGONFLY_API_KEY_CACHE_TTL }),
        onUse: keyUse.note,
      }),
      readiness,
      tracing,
      logger,
      registry: metrics,
      security: base.security,
      permits: redis && redisPermits(redis.client),
    },
  );

  return {
    start: async () => ({ api: await app.listen({ host: config.HOST, port: config.PORT }) }),
    async drain() {
      await sleep(config.DRAGONFLY_SHUTDOWN_DELAY);
      const late = setTimeout(() => {
        app.server.closeAllConnections();
      }, config.DRAGONFLY_SHUTDOWN_TIMEOUT);
      await app.close();
      clearTimeout(late);
    },
    async close() {
      await keyUse.stop();
      redis?.close();
      await closeDatabase();
    },
  };
}

/** Optional: without Redis each process counts for itself, and saves the memory and the time of loading its client. */
async function connectRedis(config: Config<'api'>, { checks, logger, secrets }: Base) {
  if (config.DRAGONFLY_REDIS_URL === undefined) return undefined;
  const { redisCheck, renewableRedis } = await import('#src/adapters/outbound/redis/client.ts');
  const redis = renewableRedis(config.DRAGONFLY_REDIS_URL, (error) => {
    logger.debug({ error }, 'connection to Redis lost');
  });
  secrets.of('DRAGONFLY_REDIS_URL').onChange(async (url) => {
    if (url !== undefined) await redis.renew(url);
  });
  checks.push(redisCheck(redis.client));
  return redis;
}
