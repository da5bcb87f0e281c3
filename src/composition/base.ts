import { type SecurityLog, createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import { poolMetrics, wakeErrors } from '#src/adapters/outbound/postgres/metrics.ts';
import { logDestination } from '#src/adapters/outbound/telemetry/log-destination.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { processMetrics } from '#src/adapters/outbound/telemetry/process-metrics.ts';
import {
  type DependencyCheck,
  type ReadinessProbe,
  makeReadiness,
} from '#src/application/health/readiness.ts';
import { type Tracing, noTracing } from '#src/application/tracing.ts';
import { type Config, type Environment, secretFiles } from '#src/config/load.ts';
import { type Secrets, fixedSecrets } from '#src/config/secrets.ts';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { reasonOf } from './reason.ts';

/** What every role of a process shares. */
export interface Base {
  /** Of the process. */
  readonly logger: Logger;
  loggerOf(role: ServingRole): Logger;
  readonly tracing: Tracing & { stop(): Promise<void> };
  readonly metrics: Registry;
  readonly security: SecurityLog;
  /** Each part adds its dependencies. */
  readonly checks: DependencyCheck[];
  readonly readiness: ReadinessProbe;
  /** Each part adds its own, by role. */
  readonly pools: Map<string, Pool>;
  /** Counts that idle workers could not be told of jobs. */
  readonly noteWakeError: () => void;
  /** What each role may read anew while it runs. */
  readonly secrets: Secrets<ServingRole>;
}

/** One part of a process, the API or the worker, with its dependencies open. */
export interface Part {
  /** Begins to serve. Where it listens, by name. */
  start(): Promise<Readonly<Record<string, string>>>;
  /** Accepts nothing new and finishes what is in flight. */
  drain(): Promise<void>;
  /** Closes the part's dependencies, when nothing is in flight any more. */
  close(): Promise<void>;
}

export type ServingConfig = Config<'api'> | Config<'worker'>;
export type ServingRole = 'api' | 'worker';

const SERVICE = 'dragonfly';
const TRACED_SHARE = { dev: 1, staging: 0.1, prod: 0.1 } as const;

export async function createBase(
  roles: readonly ServingRole[],
  config: Config<ServingRole>,
  environment: Environment,
): Promise<Base> {
  const { LOG_LEVEL: level, DRAGONFLY_GIT_SHA: gitSha } = config;
  const metrics = new Registry();
  processMetrics(metrics);
  const output = logDestination(metrics);
  const logger = createLogger({ level, service: SERVICE, gitSha }, output);
  const checks: DependencyCheck[] = [];
  const readiness = makeReadiness({
    checks,
    timeoutMs: config.DRAGONFLY_READINESS_TIMEOUT,
    onChange({ status, services }, failures) {
      const reasons = Object.fromEntries([...failures].map(([name, error]) => [name, reasonOf(error)]));
      logger.warn({ services, reasons }, status === 'ready' ? 'readiness regained' : 'readiness lost');
    },
  });
  const pools = new Map<string, Pool>();
  poolMetrics(metrics, pools);
  return {
    logger,
    loggerOf: (role) => createLogger({ level, service: `${SERVICE}-${role}`, gitSha }, output),
    tracing: await openTracing(config),
    metrics,
    security: createSecurityLog(metrics, logger),
    checks,
    readiness,
    pools,
    noteWakeError: wakeErrors(metrics),
    secrets: await openSecrets(roles, config, environment, logger),
  };
}

/** Loaded only when there is a file to watch (SEC-18). */
async function openSecrets(
  roles: readonly ServingRole[],
  config: Config<ServingRole>,
  environment: Environment,
  logger: Logger,
): Promise<Base['secrets']> {
  const files = secretFiles(roles, environment);
  if (files.size === 0) return fixedSecrets(config);
  const { watchSecrets } = await import('#src/config/watched-secrets.ts');
  return watchSecrets(roles, environment, config, files, {
    onRotated(variable, file) {
      logger.info({ variable, file }, 'secret rotated');
    },
    onFaults(faults) {
      logger.warn({ reasons: faults }, 'secret not accepted, the one before stays in use');
    },
    onRefused(variable, error) {
      logger.warn({ variable, error }, 'secret not accepted, the one before stays in use');
    },
  });
}

/** Loaded only when there is a collector: the SDK is slow to import. */
async function openTracing(config: ServingConfig): Promise<Base['tracing']> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return { ...noTracing, stop: async () => {} };
  const { startTracing } = await import('#src/adapters/outbound/telemetry/tracing.ts');
  return startTracing({
    endpoint,
    service: SERVICE,
    gitSha: config.DRAGONFLY_GIT_SHA,
    ratio: TRACED_SHARE[config.DRAGONFLY_ENV],
  });
}
