import type { ApiKeyUseCases } from '#src/application/access/api-keys.ts';
import type { Authenticate } from '#src/application/access/authenticate.ts';
import type { Decide } from '#src/application/access/decide.ts';
import type { AuditUseCases } from '#src/application/audit/use-cases.ts';
import type { ReadinessProbe } from '#src/application/health/readiness.ts';
import type { Idempotency } from '#src/application/idempotency/idempotency.ts';
import type { QueueUseCases } from '#src/application/queue/use-cases.ts';
import type { Tracing } from '#src/application/tracing.ts';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Load } from './admission.ts';
import type { Limits } from './limits.ts';
import { acceptable } from './plugins/acceptable.ts';
import { authentication } from './plugins/authentication.ts';
import { clientAddress } from './plugins/client-address.ts';
import { cors } from './plugins/cors.ts';
import { deprecation } from './plugins/deprecation.ts';
import { health } from './plugins/health.ts';
import { idempotency } from './plugins/idempotency.ts';
import { loadShedding } from './plugins/load-shedding.ts';
import { metrics } from './plugins/metrics.ts';
import { notFound } from './plugins/not-found.ts';
import { rateLimit } from './plugins/rate-limit.ts';
import { requestLog } from './plugins/request-log.ts';
import { routePolicy } from './plugins/route-policy.ts';
import { traceContext } from './plugins/trace-context.ts';
import { tracing } from './plugins/tracing.ts';
import { v1 } from './routes/v1/index.ts';
import { createServer } from './server.ts';
import type { SecurityLog } from './security-log.ts';
import type { SharedPermits } from './shared-permits.ts';

export interface HttpOptions {
  readonly gitSha: string;
  /** Whether /docs shows the contract. */
  readonly docs: boolean;
  readonly corsOrigins: readonly string[];
  /** Networks in CIDR notation. */
  readonly trustedProxies: readonly string[];
  readonly limits: Limits;
  /** Share of the granted permissions that are logged, from 0 to 1. */
  readonly loggedGrants: number;
  readonly load: Load;
}

export interface HttpDependencies {
  readonly queue: QueueUseCases;
  readonly audit: AuditUseCases;
  readonly apiKeys: ApiKeyUseCases;
  readonly idempotency: Idempotency;
  readonly authenticate: Authenticate;
  readonly decide: Decide;
  readonly readiness: ReadinessProbe;
  readonly tracing: Tracing;
  readonly logger: FastifyBaseLogger;
  readonly registry: Registry;
  readonly security: SecurityLog;
  /** Of the rate limiter; without them this process counts for itself. */
  readonly permits?: SharedPermits | undefined;
}

/** The API, ready to listen or to be injected. The order of the plugins is the way of a request. */
export async function buildApp(
  options: HttpOptions,
  dependencies: HttpDependencies,
): Promise<FastifyInstance> {
  const app = await createServer(options, dependencies);
  // Loaded only where it is shown: it costs memory and time at start.
  if (options.docs) await app.register((await import('./plugins/openapi.ts')).openapi);
  await app.register(health, { probe: dependencies.readiness });

  // Its hooks are for everything but the probes (AV-3), unknown routes among them.
  await app.register(async (api) => {
    await api.register(traceContext);
    // Before all that a refused request does not need.
    await api.register(loadShedding, { load: options.load, registry: dependencies.registry });
    await api.register(tracing, { tracing: dependencies.tracing });
    await api.register(clientAddress);
    await api.register(requestLog, { security: dependencies.security });
    await api.register(metrics, { registry: dependencies.registry });
    await api.register(cors, { origins: options.corsOrigins });
    await api.register(authentication, {
      authenticate: dependencies.authenticate,
      limits: options.limits,
      registry: dependencies.registry,
    });
    await api.register(rateLimit, {
      limits: options.limits,
      permits: dependencies.permits,
      registry: dependencies.registry,
    });
    await api.register(routePolicy, {
      decide: dependencies.decide,
      loggedGrants: options.loggedGrants,
      registry: dependencies.registry,
    });
    await api.register(acceptable);
    await api.register(deprecation);
    await api.register(idempotency, {
      idempotency: dependencies.idempotency,
      registry: dependencies.registry,
    });
    await api.register(notFound);
    if (options.docs) await api.register((await import('./plugins/docs.ts')).docs);
    const { queue, apiKeys, audit } = dependencies;
    await api.register(v1, { prefix: '/v1', queue, apiKeys, audit });
  });
  return app;
}
