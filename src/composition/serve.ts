import { setTimeout as sleep } from 'node:timers/promises';
import { buildOpsApp } from '#src/adapters/inbound/http/ops-app.ts';
import { type Config, type Environment, loadConfig } from '#src/config/load.ts';
import { type Base, type Part, createBase } from './base.ts';

export type ServingRole = 'api' | 'worker';

export interface RunningService {
  /** Where it listens: `api`, `metrics`. */
  readonly urls: Readonly<Record<string, string>>;
  readonly logger: Base['logger'];
  /** AV-6. Idempotent; never longer than the deadlines of the configuration together. */
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
  const base = createBase(config, roles.length === 1 ? `dragonfly-${roles[0]}` : 'dragonfly');
  const parts = await startParts(roles, config, base);
  const ops = await buildOpsApp(
    { gitSha: config.DRAGONFLY_GIT_SHA },
    { readiness: base.readiness, registry: base.metrics, logger: base.logger },
  );
  const metrics = await ops.listen({ host: config.HOST, port: config.DRAGONFLY_METRICS_PORT });
  const urls = Object.assign({}, ...parts.map((part) => part.urls), { metrics }) as Record<string, string>;
  base.logger.info({ roles, urls }, 'service started');

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    base.logger.info('service stopping');
    base.readiness.stop();
    await sleep(config.DRAGONFLY_SHUTDOWN_DELAY);
    for (const part of parts) await part.drain();
    await ops.close();
    for (const part of parts) await part.close();
    base.logger.info('service stopped');
  }
  return { urls, logger: base.logger, stop: () => (stopped ??= stop()) };
}

/** Loaded by role, so that an API starts without the worker's code and the other way round. */
async function startParts(
  roles: readonly ServingRole[],
  config: Config<ServingRole>,
  base: Base,
): Promise<Part[]> {
  const starting = roles.map(async (role) => {
    if (role === 'api') return (await import('./api.ts')).startApi(config, base);
    return (await import('./worker.ts')).startWorker(config, base);
  });
  return await Promise.all(starting);
}
