import { z } from 'zod';
import { oneOrTwoSecrets } from '../two-secrets.ts';
import { duration, integer, list, optional, ratio, url, withDefault } from '../variable.ts';

const origin = z
  .string()
  .refine(
    (text) => text === '*' || URL.parse(text)?.origin === text,
    'An origin such as https://app.example.com, or *.',
  );
const network = z.union([z.cidrv4(), z.cidrv6()], 'A network such as 10.0.0.0/8.');

const api = { roles: ['api'] } as const;
const serving = { roles: ['api', 'worker'] } as const;

/** What listens, and whom it answers. */
export const httpVariables = {
  HOST: withDefault(
    // Fastify would listen for `localhost` a second time, on a server that has none of our handlers.
    z.union([z.ipv4(), z.ipv6()], 'An IP address such as 0.0.0.0, 127.0.0.1 or ::.'),
    '0.0.0.0',
    'IP address to listen on, of the API and of metrics.',
    serving,
  ),
  PORT: withDefault(integer(0, 65_535), '3000', 'Port of the API; 0 takes a free one.', api),
  DRAGONFLY_METRICS_PORT: withDefault(
    integer(0, 65_535),
    '9090',
    'Port of /metrics, with /health and /readyz beside it, in every role; 0 takes a free one.',
    serving,
  ),
  DRAGONFLY_METRICS_TOKEN: optional(
    // A scraper sends it in a header.
    oneOrTwoSecrets.refine(
      (tokens) => tokens.every((token) => /^[\x21-\x7e]+$/.test(token)),
      'Visible ASCII characters without spaces.',
    ),
    'Bearer token that /metrics asks for. Required in prod; elsewhere /metrics is open without it. During a rotation the new one, a comma, and the one before: either is good then.',
    { tier: 'sensitive', ...serving },
  ),
  DRAGONFLY_READINESS_TIMEOUT: withDefault(
    duration('1ms'),
    '1s',
    'Longest wait for a dependency in /readyz.',
    serving,
  ),
  DRAGONFLY_REDIS_URL: optional(
    url(/^rediss?$/, 'redis://host:6379'),
    'Redis or Valkey for rate limits that hold for all replicas together. Required in prod; elsewhere each process counts for itself without it.',
    { tier: 'sensitive', roles: ['api', 'doctor'] },
  ),
  DRAGONFLY_CORS_ORIGINS: withDefault(
    list(origin),
    '',
    'Origins that browsers may call from. Empty denies all.',
    api,
  ),
  DRAGONFLY_TRUSTED_PROXIES: withDefault(
    list(network),
    '',
    'Networks whose X-Forwarded-For is believed. Empty believes none.',
    api,
  ),
  DRAGONFLY_RATE_LIMIT_AUTHENTICATED: withDefault(
    integer(1, 1_000_000_000),
    '100',
    'Requests a minute with a valid key: of an address, and of a key.',
    api,
  ),
  DRAGONFLY_RATE_LIMIT_ANONYMOUS: withDefault(
    integer(1, 1_000_000_000),
    '20',
    'Requests a minute of an address without a valid key.',
    api,
  ),
  DRAGONFLY_SHED_IN_FLIGHT: withDefault(
    integer(1, 100_000),
    '50',
    'Requests that are worked on at a time; others wait. A few for each connection of the pool keep it busy.',
    api,
  ),
  DRAGONFLY_SHED_IN_FLIGHT_SATURATED: withDefault(
    integer(1, 100_000),
    '20',
    'The same while the event loop has no time left, when more of them would only make each slower.',
    api,
  ),
  DRAGONFLY_SHED_WAITING: withDefault(
    integer(0, 100_000),
    '4000',
    'Requests that wait at a time, at some 10 KiB each. One more is refused with 503 at once, which invites the next.',
    api,
  ),
  DRAGONFLY_SHED_WAIT: withDefault(
    duration('1ms'),
    '300ms',
    'Longest wait of a request; then it is refused with 503. More than a pause or a cold start, far less than a second.',
    api,
  ),
  DRAGONFLY_API_KEY_CACHE_TTL: withDefault(
    // SEC-5: never 0, which the cache reads as "for ever". It counts from the start of the look-up.
    duration('1ms', '4s'),
    '4s',
    'How long a key is remembered, and so how long a revoked one may still work.',
    api,
  ),
  DRAGONFLY_LOG_GRANTS_RATIO: withDefault(
    ratio(),
    '0',
    'Share of the granted permissions that are logged, at INFO. All are counted; denials are always logged.',
    api,
  ),
} as const;
