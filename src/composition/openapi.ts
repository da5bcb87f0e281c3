import { buildApp } from '#src/adapters/inbound/http/app.ts';
import { createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { postgresApiKeyAdministration } from '#src/adapters/outbound/postgres/api-key-administration.ts';
import { postgresAuditStore } from '#src/adapters/outbound/postgres/audit-store.ts';
import { postgresQueueStore } from '#src/adapters/outbound/postgres/queue-store.ts';
import { apiKeyUseCases } from '#src/application/access/api-keys.ts';
import { decide } from '#src/application/access/decide.ts';
import { auditUseCases } from '#src/application/audit/use-cases.ts';
import { makeReadiness } from '#src/application/health/readiness.ts';
import { makeIdempotency } from '#src/application/idempotency/idempotency.ts';
import { jobRegistry } from '#src/application/jobs/registry.ts';
import { queueUseCases } from '#src/application/queue/use-cases.ts';
import { noTracing } from '#src/application/tracing.ts';
import { pino } from 'pino';
import { Registry } from 'prom-client';

const offline = () => Promise.reject(new Error('The contract is rendered without a database.'));

/** The text of openapi/openapi.json, from the routes themselves; nothing is started or reached (API-1). */
export async function renderOpenApi(): Promise<string> {
  const logger = pino({ level: 'silent' });
  const registry = new Registry();
  const app = await buildApp(
    {
      gitSha: 'unknown',
      docs: true,
      corsOrigins: [],
      trustedProxies: [],
      limits: { authenticatedPerMinute: 1, anonymousPerMinute: 1 },
      loggedGrants: 0,
      load: { inFlight: 1, inFlightSaturated: 1, waiting: 1, waitMs: 1 },
    },
    {
      queue: queueUseCases({
        transactions: { transaction: offline },
        store: postgresQueueStore,
        registry: jobRegistry,
      }),
      apiKeys: apiKeyUseCases({
        transactions: { transaction: offline },
        store: postgresApiKeyAdministration,
        newSecret: newApiKey,
      }),
      decide,
      audit: auditUseCases({ transactions: { transaction: offline }, store: postgresAuditStore }),
      idempotency: makeIdempotency({ claim: offline }),
      authenticate: Object.assign(offline, { known: () => undefined }),
      readiness: makeReadiness({ checks: [], timeoutMs: 1, onChange: () => {} }),
      tracing: noTracing,
      logger,
      registry,
      security: createSecurityLog(registry, logger),
    },
  );
  await app.ready();
  const document = JSON.stringify(app.swagger(), null, 2);
  await app.close();
  return `${document}\n`;
}
