import type { Finding } from '../finding.ts';
import { audited, none } from './audited.ts';

/** What a deployment is told, without the value of any secret. Undefined: none of the examined roles uses it. */
export interface ConfigurationSecurity {
  readonly isDev: boolean;
  /** Why a value could not be read. */
  readonly faults: readonly string[];
  readonly weakSecrets: readonly string[];
  /** Variables whose URL asks for no encryption, of servers that are elsewhere. */
  readonly plainUrls: readonly string[];
  readonly origins: readonly string[] | undefined;
  readonly trustedProxies: readonly string[] | undefined;
  readonly hasMetricsToken: boolean | undefined;
  readonly hasWebhookSecret: boolean | undefined;
  readonly allowsLoopback: boolean | undefined;
  readonly limits: { readonly authenticated: number; readonly anonymous: number } | undefined;
}

/** A hundred times the defaults of SEC-8. */
const MOST_A_MINUTE = { authenticated: 10_000, anonymous: 2000 };

/** What of a configuration opens a door. In dev all doors may be open. */
export function configurationFindings(facts: ConfigurationSecurity): Finding[] {
  const { isDev, faults, weakSecrets, plainUrls, limits } = facts;
  if (isDev) return [audited('configuration', 'SEC-2', 'ok', 'of development, where anything may be set')];
  const wide = facts.trustedProxies?.filter(isWide);
  const loose = Object.entries(MOST_A_MINUTE).filter(
    ([name, most]) => limits !== undefined && limits[name as keyof typeof limits] > most,
  );
  return [
    none('configuration', 'SEC-2', faults, 'every value can be read', {
      explanation: 'What cannot be read cannot be judged. `--roles` says whose variables are to be here.',
      mend: 'dragonfly env-doctor',
    }),
    none('secret-strength', 'SEC-2', weakSecrets, 'no secret is guessable', {
      explanation: 'A default, an example or a short text is tried first.',
      mend: 'openssl rand -base64 48',
    }),
    none('database-url', 'SEC-1', plainUrls, 'every database elsewhere is reached by TLS', {
      severity: 'warning',
      explanation: 'The URL does not ask for it: what the server offers decides, or who is between.',
      mend: 'sslmode=verify-full in the URL',
    }),
    none('cors-any', 'SEC-10', facts.origins?.filter((one) => one === '*') ?? [], 'no * among the origins', {
      explanation: 'Every page of every site may call.',
      mend: 'DRAGONFLY_CORS_ORIGINS=https://app.example.com',
    }),
    none('trusted-proxies', 'SEC-9', wide ?? [], 'no wide network is trusted', {
      explanation: 'Whoever comes from there says who it is, and has no limit.',
      mend: 'DRAGONFLY_TRUSTED_PROXIES: the networks of your proxies only',
    }),
    audited(
      'metrics-token',
      'SEC-3',
      facts.hasMetricsToken === false ? 'critical' : 'ok',
      facts.hasMetricsToken === false ? 'none' : 'metrics ask for one',
      { explanation: 'Whoever reaches the port reads of every queue.', mend: 'DRAGONFLY_METRICS_TOKEN' },
    ),
    audited(
      'webhook-secret',
      'SEC-1',
      facts.hasWebhookSecret === false ? 'critical' : 'ok',
      facts.hasWebhookSecret === false ? 'none' : 'webhooks are signed',
      { explanation: 'Receivers cannot tell our webhooks from others.', mend: 'DRAGONFLY_WEBHOOK_SECRET' },
    ),
    audited(
      'webhook-loopback',
      'SEC-15',
      facts.allowsLoopback ? 'critical' : 'ok',
      facts.allowsLoopback ? 'allowed' : 'webhooks reach no loopback address',
      {
        explanation: 'A webhook may reach what listens beside the worker.',
        mend: 'DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK=false',
      },
    ),
    none(
      'rate-limits',
      'SEC-8',
      loose.map(([name, most]) => `${name}: more than ${most} a minute`),
      'the limits of requests are limits',
      {
        severity: 'warning',
        explanation: 'A limit that nobody reaches is none.',
        mend: 'DRAGONFLY_RATE_LIMIT_AUTHENTICATED, DRAGONFLY_RATE_LIMIT_ANONYMOUS',
      },
    ),
  ];
}

/** Wider than the widest private networks, 10.0.0.0/8 and fc00::/7. */
function isWide(network: string): boolean {
  const [address = '', length] = network.split('/');
  return Number(length) < (address.includes(':') ? 7 : 8);
}
