import { duration, integer, withDefault } from '../variable.ts';

const worker = { roles: ['worker'] } as const;

/** How a worker takes jobs, shows that it lives, and stops. */
export const workerVariables = {
  DRAGONFLY_WORKER_CONCURRENCY: withDefault(
    integer(1, 1000),
    '10',
    'Jobs that run at the same time.',
    worker,
  ),
  DRAGONFLY_WORKER_POLL_INTERVAL: withDefault(
    duration('10ms'),
    '400ms',
    'Longest time between two looks into the queue; a notification comes sooner.',
    worker,
  ),
  DRAGONFLY_WORKER_HEARTBEAT_INTERVAL: withDefault(
    duration('10ms'),
    '30s',
    'Time between two heartbeats.',
    worker,
  ),
  DRAGONFLY_WORKER_ABORT_AFTER: withDefault(
    duration('10ms'),
    '45s',
    'A worker that could not beat for so long aborts its jobs itself.',
    worker,
  ),
  DRAGONFLY_WORKER_DEAD_AFTER: withDefault(
    duration('1s'),
    '60s',
    'A worker that was silent for so long is dead, and its jobs return to the queue.',
    worker,
  ),
  DRAGONFLY_AUDIT_KEEP_DAYS: withDefault(
    integer(90, 36_500),
    '400',
    'Days for which entries of the audit log are kept, at least 90.',
    worker,
  ),
  DRAGONFLY_WORKER_LISTEN_PROBE_INTERVAL: withDefault(
    duration('10ms'),
    '10s',
    'Time between two probes of the connection that listens for new jobs.',
    worker,
  ),
  DRAGONFLY_WORKER_DRAIN_TIMEOUT: withDefault(
    duration(),
    '20s',
    'How long running jobs may go on at shutdown before they are aborted and returned to the queue.',
    worker,
  ),
  DRAGONFLY_WORKER_GOODBYE_TIMEOUT: withDefault(
    duration(),
    '5s',
    'Longest wait after that for the last outcomes to be stored, so that a lost database does not hold up the exit.',
    worker,
  ),
} as const;
