import { isIP } from 'node:net';
import { z } from 'zod';
import { duration, flag, integer, list, optional, required, url, withDefault } from './variable.ts';

const databaseUrl = url(/^postgres(?:ql)?$/, 'postgres://user:password@host:5432/database');
const roleName = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'A PostgreSQL role name in lower case.');
const origin = z
  .string()
  .refine(
    (text) => text === '*' || URL.parse(text)?.origin === text,
    'An origin such as https://app.example.com, or *.',
  );
const cidr = z.string().refine((text) => {
  const [address = '', bits = ''] = text.split('/');
  const version = isIP(address);
  return version !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}, 'A network such as 10.0.0.0/8.');
const secret = z
  .string()
  .min(32, 'At least 32 characters, such as `openssl rand -base64 48` prints.')
  .max(1024);

const api = { roles: ['api'] } as const;
const worker = { roles: ['worker'] } as const;
const serving = { roles: ['api', 'worker'] } as const;
const setup = { roles: ['migrate', 'roles'] } as const;

/** The one schema of the environment. `.env.example` and docs/configuration.md are generated from it. */
export const variables = {
  DRAGONFLY_ENV: withDefault(
    z.enum(['dev', 'staging', 'prod'], 'dev, staging or prod.'),
    'prod',
    'Which environment this is. Outside dev, secrets and the commit are checked at start.',
  ),
  DRAGONFLY_GIT_SHA: withDefault(
    z.string().regex(/^(?:unknown|[0-9a-f]{40}(?:-dirty)?)$/, 'A full commit hash.'),
    'unknown',
    'Commit of the running code, set by the image. In every log line and the X-Dragonfly-SHA header.',
    { tier: 'runtime' },
  ),
  LOG_LEVEL: withDefault(
    z.enum(['debug', 'info', 'warning', 'error'], 'debug, info, warning or error.'),
    'info',
    'Least severe level that is logged.',
  ),
  HOST: withDefault(
    z.string().min(1),
    '0.0.0.0',
    'Address to listen on, of the API and of metrics.',
    serving,
  ),
  PORT: withDefault(integer(0, 65_535), '3000', 'Port of the API; 0 takes a free one.', api),
  DRAGONFLY_METRICS_PORT: withDefault(
    integer(0, 65_535),
    '9090',
    'Port of /metrics, with /health and /readyz beside it, in every role; 0 takes a free one.',
    serving,
  ),

  DRAGONFLY_API_DATABASE_URL: required(databaseUrl, 'PostgreSQL as the api role.', {
    tier: 'sensitive',
    roles: ['api', 'roles'],
  }),
  DRAGONFLY_WORKER_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as the worker role. A direct connection, not one through a transaction pooler: it listens.',
    { tier: 'sensitive', roles: ['worker', 'roles'] },
  ),
  DRAGONFLY_OWNER_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as the owner of the schema, for migrations and keys.',
    {
      tier: 'sensitive',
      roles: ['migrate', 'roles', 'keys'],
    },
  ),
  DRAGONFLY_ADMIN_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as somebody who may create roles and databases; only the `roles` command uses it.',
    { tier: 'sensitive', roles: ['roles'] },
  ),
  DRAGONFLY_API_ROLE: withDefault(roleName, 'dragonfly_api', 'Database role of the API.', setup),
  DRAGONFLY_WORKER_ROLE: withDefault(roleName, 'dragonfly_worker', 'Database role of the worker.', setup),
  DRAGONFLY_READONLY_ROLE: withDefault(
    roleName,
    'dragonfly_readonly',
    'Database role for people who look.',
    setup,
  ),
  DRAGONFLY_DATABASE_POOL_MAX: withDefault(
    integer(1, 200),
    '10',
    'Most connections of this process; times the replicas it must fit the server.',
    serving,
  ),
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: withDefault(
    duration(1),
    '2s',
    'Longest wait for a connection of the pool.',
    serving,
  ),
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: withDefault(
    duration(1),
    '5s',
    'Longest run of one statement.',
    serving,
  ),
  DRAGONFLY_START_TIMEOUT: withDefault(duration(), '10s', 'How long to wait at start for PostgreSQL.'),

  DRAGONFLY_SHUTDOWN_DELAY: withDefault(
    duration(),
    '5s',
    'From SIGTERM until the listener closes: time for load balancers to see that readiness is gone.',
    serving,
  ),
  DRAGONFLY_SHUTDOWN_TIMEOUT: withDefault(
    duration(),
    '10s',
    'Longest wait for requests in flight at shutdown.',
    serving,
  ),
  DRAGONFLY_READINESS_TIMEOUT: withDefault(
    duration(1),
    '1s',
    'Longest wait for a dependency in /readyz.',
    serving,
  ),

  DRAGONFLY_REDIS_URL: optional(
    url(/^rediss?$/, 'redis://host:6379'),
    'Redis or Valkey for counters that replicas share. Without it each process counts for itself.',
    { tier: 'sensitive', ...api },
  ),
  DRAGONFLY_CORS_ORIGINS: withDefault(
    list(origin),
    '',
    'Origins that browsers may call from. Empty denies all.',
    api,
  ),
  DRAGONFLY_TRUSTED_PROXIES: withDefault(
    list(cidr),
    '',
    'Networks whose X-Forwarded-For is believed. Empty believes none.',
    api,
  ),
  DRAGONFLY_RATE_LIMIT_AUTHENTICATED: withDefault(
    integer(1, 1_000_000_000),
    '100',
    'Requests a minute and address with a valid key.',
    api,
  ),
  DRAGONFLY_RATE_LIMIT_ANONYMOUS: withDefault(
    integer(1, 1_000_000_000),
    '20',
    'Requests a minute and address without a valid key.',
    api,
  ),
  DRAGONFLY_API_KEY_CACHE_TTL: withDefault(
    duration(),
    '5s',
    'How long a key is remembered, and so how long a revoked one may still work.',
    api,
  ),

  DRAGONFLY_WORKER_CONCURRENCY: withDefault(
    integer(1, 1000),
    '10',
    'Jobs that run at the same time.',
    worker,
  ),
  DRAGONFLY_WORKER_POLL_INTERVAL: withDefault(
    duration(10),
    '500ms',
    'Longest time between two looks into the queue; a notification comes sooner.',
    worker,
  ),
  DRAGONFLY_WORKER_HEARTBEAT_INTERVAL: withDefault(
    duration(10),
    '30s',
    'Time between two heartbeats.',
    worker,
  ),
  DRAGONFLY_WORKER_ABORT_AFTER: withDefault(
    duration(10),
    '45s',
    'A worker that could not beat for so long aborts its jobs itself.',
    worker,
  ),
  DRAGONFLY_WORKER_DEAD_AFTER: withDefault(
    duration(1000),
    '60s',
    'A worker that was silent for so long is dead, and its jobs return to the queue.',
    worker,
  ),
  DRAGONFLY_WORKER_LISTEN_PROBE_INTERVAL: withDefault(
    duration(10),
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

  DRAGONFLY_WEBHOOK_SECRET: required(
    secret,
    'Master secret; each organisation’s signing secret is derived from it.',
    {
      tier: 'sensitive',
      roles: ['worker', 'keys'],
    },
  ),
  DRAGONFLY_WEBHOOK_SECRET_PREVIOUS: optional(
    secret,
    'The master secret before the last rotation. While it is set, webhooks carry a signature of each.',
    { tier: 'sensitive', ...worker },
  ),
  DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: withDefault(
    flag(),
    'false',
    'Lets webhooks reach loopback addresses. Dev only; no other private address is ever allowed.',
    worker,
  ),
  DRAGONFLY_WEBHOOK_CONNECT_TIMEOUT: withDefault(
    duration(1),
    '5s',
    'Longest wait for a receiver’s connection.',
    worker,
  ),
  DRAGONFLY_WEBHOOK_RESPONSE_TIMEOUT: withDefault(
    duration(1),
    '15s',
    'Longest wait for a receiver’s answer.',
    worker,
  ),

  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    url(/^https?$/, 'http://collector:4318'),
    'OpenTelemetry collector (OTLP over HTTP). Without it no traces are recorded.',
    serving,
  ),
} as const;

export type Variables = typeof variables;
export type VariableName = keyof Variables;
