import type { ReadinessProbe } from '#src/application/health/readiness.ts';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { health } from './plugins/health.ts';
import { notFound } from './plugins/not-found.ts';
import { scraperToken } from './plugins/scraper-token.ts';
import type { SecurityLog } from './security-log.ts';
import { createServer } from './server.ts';

interface OpsOptions {
  readonly gitSha: string;
  /** Bearer tokens that are good for /metrics at the moment; undefined where everybody may scrape. */
  readonly metricsTokens: () => readonly string[] | undefined;
}

interface OpsDependencies {
  readonly readiness: ReadinessProbe;
  readonly registry: Registry;
  readonly logger: FastifyBaseLogger;
  readonly security: SecurityLog;
}

/** Probes and metrics of any role, on a port that is not the API's (AV-2, OBS-4). */
export async function buildOpsApp(
  { gitSha, metricsTokens }: OpsOptions,
  { readiness, registry, logger, security }: OpsDependencies,
): Promise<FastifyInstance> {
  const app = await createServer({ gitSha, trustedProxies: [] }, { logger, readiness, registry });
  await app.register(health, { probe: readiness });
  await app.register(notFound);
  app.get('/metrics', { onRequest: scraperToken(metricsTokens, security) }, async (_request, reply) => {
    return reply.type(registry.contentType).send(await registry.metrics());
  });
  return app;
}
