import type { KnownValues } from './variables.ts';

/**
 * AV-6: the longest time from SIGTERM to the end of the process, in milliseconds. API and worker drain side by side; what is
 * closed then waits for the statement that may still be running. Of a role that is not run nothing is known, nor needed.
 */
export const longestShutdownMs = ({
  DRAGONFLY_SHUTDOWN_DELAY: delay = 0,
  DRAGONFLY_SHUTDOWN_TIMEOUT: requests = 0,
  DRAGONFLY_WORKER_DRAIN_TIMEOUT: jobs = 0,
  DRAGONFLY_WORKER_GOODBYE_TIMEOUT: goodbye = 0,
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: statement = 0,
  DRAGONFLY_SHUTDOWN_CLOSE_TIMEOUT: close = 0,
}: KnownValues): number => Math.max(delay + requests, jobs + goodbye) + statement + close;
