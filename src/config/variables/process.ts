import { z } from 'zod';
import { duration, optional, url, withDefault } from '../variable.ts';

const api = { roles: ['api'] } as const;
const serving = { roles: ['api', 'worker'] } as const;
/** They act on an installation, as a part of its release. */
const COMMANDS = [
  'migrate',
  'roles',
  'keys',
  'audit',
  'webhook-secret',
  'jobs',
  'workers',
  'doctor',
  'security-audit',
  'backup',
  'restore',
  'scratch',
  'release',
] as const;
const commands = { roles: [...COMMANDS, 'smoke'] } as const;

/** What the process is and how it starts and ends. */
export const processVariables = {
  DRAGONFLY_ENV: withDefault(
    z.enum(['dev', 'staging', 'prod'], 'dev, staging or prod.'),
    'prod',
    'Which environment this is. Outside dev, secrets and the commit are checked at start.',
  ),
  DRAGONFLY_CLI_ROLE: withDefault(
    z.enum(['reader', 'release', 'owner'], 'reader, release or owner.'),
    'owner',
    'What the command line may do: `reader` looks, `release` is for pipelines, `owner` may all. A guard against mistakes; the credentials decide.',
    commands,
  ),
  DRAGONFLY_GIT_SHA: withDefault(
    z.string().regex(/^(?:unknown|[0-9a-f]{40}(?:-dirty)?)$/, 'A full commit hash.'),
    'unknown',
    'Commit of the running code, set by the image. In every log line and the X-Dragonfly-SHA header.',
    { tier: 'runtime', roles: ['api', 'worker', ...COMMANDS] },
  ),
  LOG_LEVEL: withDefault(
    z.enum(['debug', 'info', 'warning', 'error'], 'debug, info, warning or error.'),
    'info',
    'Least severe level that is logged.',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    // SEC-1: what is public is printed.
    url(/^https?$/, 'http://collector:4318').refine(
      (text) => !URL.parse(text)?.username && !URL.parse(text)?.password,
      'A URL without user and password.',
    ),
    'OpenTelemetry collector (OTLP over HTTP). Without it no traces are recorded.',
    serving,
  ),
  DRAGONFLY_START_TIMEOUT: withDefault(duration(), '10s', 'How long to wait at start for PostgreSQL.'),
  DRAGONFLY_SHUTDOWN_DELAY: withDefault(
    duration(),
    '5s',
    'From SIGTERM until the listener closes: time for load balancers to see that readiness is gone.',
    api,
  ),
  DRAGONFLY_SHUTDOWN_TIMEOUT: withDefault(
    duration(),
    '10s',
    'Longest wait for requests in flight at shutdown.',
    api,
  ),
  DRAGONFLY_SHUTDOWN_CLOSE_TIMEOUT: withDefault(
    duration(),
    '2s',
    'Longest wait for dependencies to close at shutdown, beyond the statement that may still be running.',
    serving,
  ),
  DRAGONFLY_SHUTDOWN_GRACE: withDefault(
    duration('1s'),
    '45s',
    'From SIGTERM to SIGKILL. The start fails when the time-outs of a shutdown may take longer.',
    { ...serving, tier: 'runtime' },
  ),
} as const;
