import { buildOpsApp } from '#src/adapters/inbound/http/ops-app.ts';
import { type Config, type Environment, loadConfig } from '#src/config/load.ts';
import { longestShutdownMs } from '#src/config/shutdown.ts';
import { openAuditSealer } from './audit.ts';
import { type Base, type Part, type ServingRole, createBase } from './base.ts';

export interface RunningService {
  /** Where it listens: `api`, `metrics`. */
  readonly urls: Readonly<Record<string, string>>;
  readonly logger: Base['logger'];
  /** AV-6. Idempotent. @throws Error when it takes longer than its time-outs allow */
  stop(): Promise<void>;
}

/**
 * Runs these roles in one process, with one listener for probes and metrics.
 *
 * @throws ConfigurationError, DomainError `database_unavailable`, and what listening throws
 */
export async function serve(
  roles: readonly ServingRole[],
  environment: Environment,
): Promise<RunningService> {
  const config = loadConfig(roles, environment);
  const base = await createBase(roles, config, environment);
  const parts = await openParts(roles, config, base);
  const sealer = openAuditSealer(base);
  const ops = await buildOpsApp(
    {
      gitSha: config.DRAGONFLY_GIT_SHA,
      metricsTokens: base.secrets.of('DRAGONFLY_METRICS_TOKEN').current,
    },
    {
      readiness: base.readiness,
      registry: base.metrics,
      logger: base.logger,
      security: base.security,
    },
  );
  const urls: Record<string, string> = {
    metrics: await ops.listen({ host: config.HOST, port: config.DRAGONFLY_METRICS_PORT }),
  };
  // One after the other: a busy port of the API stops the start before the worker claims anything.
  for (const part of parts) Object.assign(urls, await part.start());
  sealer.start();
  base.logger.info({ roles, urls }, 'service started');

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    base.logger.info('service stopping');
    base.secrets.stop();
    base.readiness.stop();
    await Promise.all(parts.map(async (part) => await part.drain()));
    await Promise.all([sealer.stop(), ops.close()]);
    await Promise.all(parts.map(async (part) => await part.close()));
    base.security.stop();
    await base.tracing.stop();
    base.logger.info('service stopped');
  }
  const deadlineMs = longestShutdownMs(config);
  return { urls, logger: base.logger, stop: () => (stopped ??= within(deadlineMs, stop())) };
}

/** Loaded by role, so that an API starts without the worker's code and the other way round. */
async function openParts(
  roles: readonly ServingRole[],
  config: Config<ServingRole>,
  base: Base,
): Promise<Part[]> {
  const opening = roles.map(async (role) => {
    if (role === 'api') return (await import('./api.ts')).openApi(config, base);
    return (await import('./worker.ts')).openWorker(config, base);
  });
  return await Promise.all(opening);
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`Not stopped within ${ms} ms.`));
  }, ms);
  await Promise.race([work, late.promise]).finally(() => {
    clearTimeout(timer);
  });
}
