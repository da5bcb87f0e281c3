import { buildApp } from '#src/adapters/inbound/http/app.ts';
import { postgresQueueStore } from '#src/adapters/outbound/postgres/queue-store.ts';
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
  const app = await buildApp(
    {
      gitSha: 'unknown',
      docs: true,
      corsOrigins: [],
      trustedProxies: [],
      limits: { authenticatedPerMinute: 1, anonymousPerMinute: 1 },
      load: { inFlight: 1, inFlightSaturated: 1, waiting: 1, waitMs: 1 },
    },
    {
      queue: queueUseCases({
        transactions: { transaction: offline },
        store: postgresQueueStore,
        registry: jobRegistry,
      }),
      idempotency: makeIdempotency({ claim: offline }),
      authenticate: Object.assign(offline, { known: () => undefined }),
      readiness: makeReadiness({ checks: [], timeoutMs: 1, onChange: () => {} }),
      tracing: noTracing,
      logger: pino({ level: 'silent' }),
      registry: new Registry(),
    },
  );
  await app.ready();
  const document = JSON.stringify(app.swagger(), null, 2);
  await app.close();
  return `${document}\n`;
}
