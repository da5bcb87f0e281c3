import { DomainError } from '#src/domain/errors.ts';
import { type Backoff, backoffSeconds } from '#src/domain/jobs/retry-policy.ts';
import type { Logger } from 'pino';
import type { WorkerMetrics } from './metrics.ts';

/** Soon enough to be back with the database, rarely enough not to be what keeps it down. */
const RETRY: Backoff = { initialDelaySeconds: 0.1, factor: 2, maxDelaySeconds: 2 };

export type Operation = 'claim' | 'complete' | 'beat';

/**
 * What fails against the database: counted each time; an outage is logged once when it starts and once when it ends,
 * whichever of the worker's parts meets it. Anything else is a fault of the service and logged each time.
 */
export function databaseTrouble(logger: Logger, metrics: WorkerMetrics) {
  let outageSince: number | undefined;

  return {
    failed(operation: Operation, error: unknown): void {
      metrics.databaseErrors.inc({ operation });
      if (!isUnavailable(error)) {
        logger.error({ operation, error }, 'the database refused what the worker asked');
      } else if (outageSince === undefined) {
        outageSince = performance.now();
        logger.warn({ operation, error }, 'database unavailable, the worker waits for it');
      }
    },
    worked(): void {
      if (outageSince === undefined) return;
      logger.warn({ outage_ms: Math.round(performance.now() - outageSince) }, 'database available again');
      outageSince = undefined;
    },
  };
}

export type DatabaseTrouble = ReturnType<typeof databaseTrouble>;

export const isUnavailable = (error: unknown): boolean =>
  error instanceof DomainError && error.code === 'database_unavailable';

/** Milliseconds until the next try after so many failures in a row. */
export const retryDelayMs = (failures: number): number =>
  backoffSeconds(RETRY, failures, Math.random()) * 1000;
