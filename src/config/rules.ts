import { longestShutdownMs } from './shutdown.ts';
import { milliseconds } from './variable.ts';
import type { KnownValues } from './variables.ts';
import { DELIVERY_DEADLINE } from './variables/webhooks.ts';
import { weakSecrets } from './weak-secrets.ts';

/** Faults that show only when several values are seen together. */
export function brokenRules(values: KnownValues): string[] {
  const { DRAGONFLY_ENV: env } = values;
  return [
    ...(env === undefined || env === 'dev' ? [] : outsideDev(values)),
    ...(env === 'prod' ? [...sharedLimits(values), ...closedMetrics(values)] : []),
    ...databaseRoles(values),
    ...listening(values),
    ...heartbeatOrder(values),
    ...deliveryTimeouts(values),
    ...gracePeriod(values),
  ];
}

function outsideDev(values: KnownValues): string[] {
  const faults = weakSecrets(values);
  const sha = values.DRAGONFLY_GIT_SHA;
  if (sha !== undefined && !/^[0-9a-f]{40}$/.test(sha)) {
    faults.push('DRAGONFLY_GIT_SHA: outside dev the full hash of a clean commit is required.');
  }
  if (values.DRAGONFLY_CORS_ORIGINS?.includes('*')) {
    faults.push('DRAGONFLY_CORS_ORIGINS: * is allowed in dev only.');
  }
  if (values.DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK) {
    faults.push('DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: allowed in dev only.');
  }
  return faults;
}

/** SEC-8: in prod there may be a second replica at any time, and a limit of each process is none. */
function sharedLimits(values: KnownValues): string[] {
  // There, but undefined, where a role uses it.
  if (!('DRAGONFLY_REDIS_URL' in values) || values.DRAGONFLY_REDIS_URL !== undefined) return [];
  return [
    'DRAGONFLY_REDIS_URL: required in prod, where replicas share the rate limits. Give the URL of a Redis or Valkey, in it or by DRAGONFLY_REDIS_URL_FILE.',
  ];
}

/** SEC-3: metrics tell of every queue, and who may reach their port is for the network alone to say without a token. */
function closedMetrics(values: KnownValues): string[] {
  if (!('DRAGONFLY_METRICS_TOKEN' in values) || values.DRAGONFLY_METRICS_TOKEN !== undefined) return [];
  return [
    'DRAGONFLY_METRICS_TOKEN: required in prod. Give what `openssl rand -base64 48` prints, in it or by DRAGONFLY_METRICS_TOKEN_FILE, and the same to the scraper.',
  ];
}

/** SEC-12: the rights go to the role, the service comes as the user. */
function databaseRoles(values: KnownValues): string[] {
  return (['API', 'WORKER'] as const).flatMap((role) => {
    const url = values[`DRAGONFLY_${role}_DATABASE_URL`];
    const name = values[`DRAGONFLY_${role}_ROLE`];
    if (url === undefined || name === undefined || decodeURIComponent(new URL(url).username) === name)
      return [];
    return [`DRAGONFLY_${role}_DATABASE_URL: its user must be the role that DRAGONFLY_${role}_ROLE names.`];
  });
}

/** A session of its own is what a transaction pooler cannot give; and whoever listens has the worker's rights. */
function listening(values: KnownValues): string[] {
  const { DRAGONFLY_WORKER_DATABASE_URL: url, DRAGONFLY_WORKER_LISTEN_URL: listenUrl } = values;
  if (!('DRAGONFLY_WORKER_LISTEN_URL' in values)) return [];
  if (listenUrl === undefined) {
    return values.DRAGONFLY_DATABASE_POOLER === 'transaction'
      ? [
          'DRAGONFLY_WORKER_LISTEN_URL: required with a transaction pooler. Give a direct URL, in it or by DRAGONFLY_WORKER_LISTEN_URL_FILE, or none to poll only.',
        ]
      : [];
  }
  if (listenUrl === 'none' || url === undefined || new URL(listenUrl).username === new URL(url).username)
    return [];
  return ['DRAGONFLY_WORKER_LISTEN_URL: its user must be that of DRAGONFLY_WORKER_DATABASE_URL.'];
}

function heartbeatOrder({
  DRAGONFLY_WORKER_HEARTBEAT_INTERVAL: beat,
  DRAGONFLY_WORKER_ABORT_AFTER: abort,
  DRAGONFLY_WORKER_DEAD_AFTER: dead,
}: KnownValues): string[] {
  if (beat === undefined || abort === undefined || dead === undefined) return [];
  if (beat < abort && abort < dead) return [];
  return [
    'DRAGONFLY_WORKER_HEARTBEAT_INTERVAL must be shorter than DRAGONFLY_WORKER_ABORT_AFTER, and that shorter than DRAGONFLY_WORKER_DEAD_AFTER.',
  ];
}

/** ARC-7: the receiver's silence must show as such, not as the end of the whole job. */
function deliveryTimeouts({
  DRAGONFLY_WEBHOOK_CONNECT_TIMEOUT: connect,
  DRAGONFLY_WEBHOOK_RESPONSE_TIMEOUT: response,
}: KnownValues): string[] {
  if (connect === undefined || response === undefined) return [];
  if (connect + response < milliseconds(DELIVERY_DEADLINE)) return [];
  return [
    `DRAGONFLY_WEBHOOK_CONNECT_TIMEOUT and DRAGONFLY_WEBHOOK_RESPONSE_TIMEOUT together must be shorter than the deadline of a delivery, ${DELIVERY_DEADLINE}.`,
  ];
}

/** AV-6: what takes longer ends by SIGKILL. */
function gracePeriod(values: KnownValues): string[] {
  const { DRAGONFLY_SHUTDOWN_GRACE: grace } = values;
  const needed = longestShutdownMs(values);
  if (grace === undefined || needed <= grace) return [];
  return [
    `DRAGONFLY_SHUTDOWN_GRACE: a shutdown may take ${needed / 1000} s; grant that, or shorten DRAGONFLY_SHUTDOWN_DELAY, DRAGONFLY_SHUTDOWN_TIMEOUT, DRAGONFLY_WORKER_DRAIN_TIMEOUT or DRAGONFLY_WORKER_GOODBYE_TIMEOUT.`,
  ];
}
