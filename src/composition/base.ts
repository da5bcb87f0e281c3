import { poolMetrics } from '#src/adapters/outbound/postgres/metrics.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import {
  type DependencyCheck,
  type ReadinessProbe,
  makeReadiness,
} from '#src/application/health/readiness.ts';
import type { Config } from '#src/config/load.ts';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { reasonOf } from './reason.ts';

/** What every role of a process shares. */
export interface Base {
  readonly logger: Logger;
  readonly metrics: Registry;
  /** Each part adds its dependencies, by name. */
  readonly checks: Map<string, DependencyCheck>;
  readonly readiness: ReadinessProbe;
  /** Each part adds its own, by role. */
  readonly pools: Map<string, Pool>;
}

/** One running part of a process: the API or the worker. */
export interface Part {
  /** Where it listens, by name. */
  readonly urls: Readonly<Record<string, string>>;
  /** Accepts nothing new and finishes what is in flight. */
  drain(): Promise<void>;
  /** Closes the part's dependencies, when nothing is in flight any more. */
  close(): Promise<void>;
}

export type ServingConfig = Config<'api'> | Config<'worker'>;

export function createBase(config: ServingConfig, service: string): Base {
  const logger = createLogger({ level: config.LOG_LEVEL, service, gitSha: config.DRAGONFLY_GIT_SHA });
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const checks = new Map<string, DependencyCheck>();
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
  return { logger, metrics, checks, readiness, pools };
}
