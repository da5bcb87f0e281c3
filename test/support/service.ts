import { afterAll } from 'vitest';
import { issueApiKey } from '#src/composition/keys.ts';
import type { ServingRole } from '#src/composition/base.ts';
import { serve } from '#src/composition/serve.ts';
import type { Environment } from '#src/config/load.ts';
import type { Role } from '#src/domain/access/permission.ts';
import type { TestDatabase } from './database.ts';

export interface TestService {
  readonly apiUrl: string;
  /** Where /metrics and the probes of every role are. */
  readonly metricsUrl: string;
  stop(): Promise<void>;
}

/** What a process of the service is told in tests: free ports, fast intervals, and limits that no test meets by accident. */
export const testEnvironment = ({ urls }: TestDatabase): Environment => ({
  DRAGONFLY_ENV: 'dev',
  HOST: '127.0.0.1',
  PORT: '0',
  LOG_LEVEL: 'error',
  DRAGONFLY_METRICS_PORT: '0',
  DRAGONFLY_API_DATABASE_URL: urls.api,
  DRAGONFLY_WORKER_DATABASE_URL: urls.worker,
  DRAGONFLY_SHUTDOWN_DELAY: '0ms',
  DRAGONFLY_RATE_LIMIT_AUTHENTICATED: '1000000',
  DRAGONFLY_RATE_LIMIT_ANONYMOUS: '1000000',
  DRAGONFLY_WORKER_POLL_INTERVAL: '200ms',
  DRAGONFLY_WORKER_HEARTBEAT_INTERVAL: '500ms',
  DRAGONFLY_WORKER_ABORT_AFTER: '1s',
  DRAGONFLY_WORKER_DEAD_AFTER: '2s',
  DRAGONFLY_WEBHOOK_SECRET: 'a master secret that only the tests know: 48 byte',
  DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true',
});

/** The service as production composes it, inside the test process, stopped after the file's last test. */
export async function testService(
  database: TestDatabase,
  roles: readonly ServingRole[] = ['api', 'worker'],
  environment: Environment = {},
): Promise<TestService> {
  const service = await serve(roles, { ...testEnvironment(database), ...environment });
  afterAll(service.stop);
  return { apiUrl: service.urls['api'] ?? '', metricsUrl: service.urls['metrics'] ?? '', stop: service.stop };
}

export interface TestClient {
  readonly key: string;
  readonly organizationId: string;
  /** A request as this organisation; `body` is sent as JSON. */
  request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>;
}

/** A client with a key of an organisation of its own, one for each role. */
export async function testClient(
  database: TestDatabase,
  apiUrl: string,
  organization = 'acme',
  role: Role = 'admin',
): Promise<TestClient> {
  const { key, organizationId } = await issueApiKey({
    databaseUrl: database.urls.owner,
    organization,
    name: role === 'admin' ? 'test' : `test ${role}`,
    role,
    lifetimeMs: 30 * 86_400_000,
  });
  return {
    key,
    organizationId,
    request: async (method, path, body, headers) =>
      await fetch(new URL(path, apiUrl), {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
  };
}
