import { Contended, type Report } from '#src/application/worker/ports.ts';
import { DomainError } from '#src/domain/errors.ts';
import { type Backoff, backoffSeconds } from '#src/domain/jobs/retry-policy.ts';
import type { Logger } from 'pino';
import { logFields } from './log-fields.ts';
import type { WorkerMetrics } from './metrics.ts';

/** Soon enough to be back with the database, rarely enough not to be what keeps it down. */
const RETRY: Backoff = { initialDelaySeconds: 0.1, factor: 2, maxDelaySeconds: 2 };

export type Operation = 'claim' | 'complete' | 'beat';

/**
 * What fails against the database: counted each time. An outage is logged once when its first operation fails and once when
 * all that failed work again: one part of the worker may get through while another does not. Anything else is logged each
 * time.
 */
export function databaseTrouble(logger: Logger, metrics: WorkerMetrics) {
  const failing = new Set<Operation>();
  let sinceMs = 0;

  return {
    /** @param reports what was to be stored; a single one is named, as it is tried by itself until it is */
    failed(operation: Operation, error: unknown, reports: readonly Report[] = []): void {
      metrics.databaseErrors.inc({ operation });
      const [only, ...others] = reports;
      const about = only && others.length === 0 ? logFields(only.job) : {};
      if (error instanceof Contended) {
        logger.warn(
          { ...about, operation, error },
          'another session is in the way of what the worker reports',
        );
      } else if (!isUnavailable(error)) {
        logger.error({ ...about, operation, error }, 'the database refused what the worker asked');
      } else {
        if (failing.size === 0) {
          sinceMs = performance.now();
          logger.warn({ operation, error }, 'database unavailable, the worker waits for it');
        }
        failing.add(operation);
      }
    },
    worked(operation: Operation): void {
      if (!failing.delete(operation) || failing.size > 0) return;
      logger.warn({ outage_ms: Math.round(performance.now() - sinceMs) }, 'database available again');
    },
  };
}

export type DatabaseTrouble = ReturnType<typeof databaseTrouble>;

export const isUnavailable = (error: unknown): boolean =>
  error instanceof DomainError && error.code === 'database_unavailable';

/** Milliseconds until the next try after so many failures in a row. */
export const retryDelayMs = (failures: number): number =>
  backoffSeconds(RETRY, failures, Math.random()) * 1000;
