import type { ConfigurationSecurity } from '#src/application/checks/security/configuration-findings.ts';
import type { KnownValues } from '#src/config/variables.ts';
import { weakSecrets } from '#src/config/weak-secrets.ts';

const DATABASES = [
  'DRAGONFLY_API_DATABASE_URL',
  'DRAGONFLY_WORKER_DATABASE_URL',
  'DRAGONFLY_WORKER_LISTEN_URL',
  'DRAGONFLY_OWNER_DATABASE_URL',
] as const;

/** What of the values matters to security, without the value of any secret (SEC-1). */
export function configurationSecurity(values: KnownValues, faults: readonly string[]): ConfigurationSecurity {
  const isSet = (name: 'DRAGONFLY_METRICS_TOKEN' | 'DRAGONFLY_WEBHOOK_SECRET'): boolean | undefined =>
    name in values ? values[name] !== undefined : undefined;
  const { DRAGONFLY_RATE_LIMIT_AUTHENTICATED: authenticated, DRAGONFLY_RATE_LIMIT_ANONYMOUS: anonymous } =
    values;
  return {
    isDev: values.DRAGONFLY_ENV === 'dev',
    faults,
    weakSecrets: weakSecrets(values),
    plainUrls: DATABASES.filter((name) => isPlain(values[name])),
    origins: values.DRAGONFLY_CORS_ORIGINS,
    trustedProxies: values.DRAGONFLY_TRUSTED_PROXIES,
    hasMetricsToken: isSet('DRAGONFLY_METRICS_TOKEN'),
    hasWebhookSecret: isSet('DRAGONFLY_WEBHOOK_SECRET'),
    allowsLoopback: values.DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK,
    limits: authenticated === undefined || anonymous === undefined ? undefined : { authenticated, anonymous },
  };
}

/** A path is a Unix socket, and a host in the query wins. */
const LOCAL = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?|\/.*|)$/;

function isPlain(text: string | undefined): boolean {
  const url = text === undefined ? null : URL.parse(text);
  if (!url || text === 'none') return false;
  const { searchParams } = url;
  const host = searchParams.get('host') ?? decodeURIComponent(url.hostname);
  const asks = searchParams.get('ssl') === 'true' || !['disable', null].includes(searchParams.get('sslmode'));
  return !asks && !LOCAL.test(host);
}
