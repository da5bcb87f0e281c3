import { buildApp, type HttpDependencies, type HttpOptions } from '#src/adapters/inbound/http/app.ts';
import { createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import type { Load } from '#src/adapters/inbound/http/admission.ts';
import { apiKeyFormat, newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { apiKeyUseCases } from '#src/application/access/api-keys.ts';
import { makeAuthenticate } from '#src/application/access/authenticate.ts';
import type { AuditStore } from '#src/application/audit/ports.ts';
import { auditUseCases } from '#src/application/audit/use-cases.ts';
import { decide } from '#src/application/access/decide.ts';
import type { ApiKeyAdministration } from '#src/application/access/ports.ts';
import { makeReadiness } from '#src/application/health/readiness.ts';
import { makeIdempotency } from '#src/application/idempotency/idempotency.ts';
import type { Claim } from '#src/application/idempotency/ports.ts';
import { jobRegistry } from '#src/application/jobs/registry.ts';
import type { QueueStore } from '#src/application/queue/ports.ts';
import type { RequestContext } from '#src/application/context.ts';
import { queueUseCases } from '#src/application/queue/use-cases.ts';
import { noTracing } from '#src/application/tracing.ts';
import type { Statement, Transactions } from '#src/application/transactions.ts';
import { type Role, permissionsOf } from '#src/domain/access/permission.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import type { Job } from '#src/domain/jobs/job.ts';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';

export const GIT_SHA = '0123456789abcdef0123456789abcdef01234567';
const { key: KEY, hash: KEY_HASH } = newApiKey();
export { KEY };
export const KEY_ID = '7b6c8a52-2a2b-4c34-9d52-1f1f3a6d1c11';
export const { key: UNKNOWN_KEY } = newApiKey();

/** Who has a key of that role. */
export const principal = (actor: string, role: Role = 'admin'): Principal => ({
  actor,
  organizationId: 'acme',
  role,
  permissions: permissionsOf(role, null),
});

/** However slow this machine is just now. */
export const ANY_LOAD: Load = { inFlight: 1000, inFlightSaturated: 1000, waiting: 1000, waitMs: 60_000 };

export const JOB: Job = {
  id: '019abcde-0000-7000-8000-000000000001',
  type: 'webhook.deliver',
  status: 'pending',
  priority: 0,
  attempts: 0,
  maxAttempts: 8,
  createdAt: '2026-11-21T08:00:00.123456Z',
  runAt: '2026-11-21T08:00:00.123456Z',
  startedAt: null,
  finishedAt: null,
  lastError: null,
  result: null,
  traceId: '0af7651916cd43dd8448eb211c80319c',
};

/** A statement that carries its answer. */
const statement = <T>(answer: T) => ({ answer }) as Statement<T>;

const QUEUED = { id: JOB.id, created: true, createdAt: JOB.createdAt, runAt: JOB.runAt };

const STORE: QueueStore = {
  queueJob: () => statement(QUEUED),
  queueJobs: (jobs) => statement(jobs.map(() => QUEUED)),
  findJob: () => statement(JOB),
  findJobs: () => statement([JOB]),
  listJobs: (_filter, _after, limit) =>
    statement({ jobs: Array.from({ length: limit }, () => JOB), next: JOB.id }),
  cancelJob: () => statement({ ...JOB, status: 'cancelled' as const }),
  retryJob: () => statement(JOB),
  redriveJobs: () => statement(1),
  purgeJobs: () => statement(1),
  listQueues: () => statement([]),
  pauseQueue: () => statement(undefined),
  resumeQueue: () => statement(undefined),
  listWorkers: () => statement([]),
};

const AUDIT_STORE: AuditStore = { listEntries: () => statement({ entries: [], next: undefined }) };

const API_KEY = {
  id: KEY_ID,
  name: 'client',
  role: 'service',
  scopes: null,
  createdBy: null,
  createdAt: JOB.createdAt,
  expiresAt: JOB.createdAt,
  revokedAt: null,
  lastUsedAt: null,
} as const;

const API_KEY_STORE: ApiKeyAdministration = {
  create: () => statement(KEY_ID),
  rotate: () => statement(KEY_ID),
  revoke: () => statement(true),
  findKey: () => statement(API_KEY),
  listKeys: (_after, limit) => statement(Array.from({ length: limit }, () => API_KEY)),
  organizationName: () => statement('acme'),
};

const done = (): Promise<void> => Promise.resolve();
const CLAIMED: Claim = {
  state: 'claimed',
  execution: { transaction: {}, commit: done, rollBack: done },
};

function answering(fault: unknown, onContext: Overrides['onContext']): Transactions {
  return {
    async transaction(context, work) {
      await onContext?.(context);
      if (fault !== undefined) throw fault;
      if (typeof work === 'function') return await work(async (one) => (one as { answer: never }).answer);
      return (work as unknown as { answer: never }).answer;
    },
  };
}

export type LogLine = Record<string, unknown>;

export interface TestApi {
  readonly app: FastifyInstance;
  readonly registry: Registry;
  /** With a good key, unless the headers say otherwise. */
  request(options: InjectOptions): Promise<LightMyRequestResponse>;
  logLines(): LogLine[];
}

interface Overrides {
  readonly options?: Partial<HttpOptions>;
  readonly dependencies?: Partial<HttpDependencies>;
  /** What the queue throws instead of answering with `JOB`. */
  readonly fault?: unknown;
  /** Told of each use of the queue, which waits for it. */
  readonly onContext?: (context: RequestContext) => unknown;
  /** What became of every key. */
  readonly claim?: Claim;
  readonly logLevel?: 'debug' | 'info';
  /** Of the key; `admin` if it is not said. */
  readonly role?: Role;
}

/**
 * The API with its real use cases, over a queue that always gives the same answer: for what the database has no part in.
 * Closed when the test is finished.
 */
export async function testApi({
  options,
  dependencies,
  fault,
  onContext,
  claim = CLAIMED,
  logLevel = 'info',
  role = 'admin',
}: Overrides = {}): Promise<TestApi> {
  const lines: string[] = [];
  const registry = new Registry();
  const logger = createLogger(
    { level: logLevel, service: 'dragonfly-test', gitSha: GIT_SHA },
    { write: (line) => lines.push(line) },
  );
  const app = await buildApp(
    {
      gitSha: GIT_SHA,
      docs: false,
      corsOrigins: [],
      trustedProxies: [],
      limits: { authenticatedPerMinute: 10_000, anonymousPerMinute: 10_000 },
      loggedGrants: 0,
      load: ANY_LOAD,
      ...options,
    },
    {
      queue: queueUseCases({
        transactions: answering(fault, onContext),
        store: STORE,
        registry: jobRegistry,
      }),
      apiKeys: apiKeyUseCases({
        transactions: answering(fault, onContext),
        store: API_KEY_STORE,
        newSecret: newApiKey,
      }),
      decide,
      audit: auditUseCases({ transactions: answering(fault, onContext), store: AUDIT_STORE }),
      idempotency: makeIdempotency({ claim: () => Promise.resolve(claim) }),
      authenticate: makeAuthenticate({
        format: apiKeyFormat,
        keys: {
          find: async (hash) =>
            hash === KEY_HASH
              ? { keyId: KEY_ID, organizationId: 'acme', role, scopes: null, expiresAt: Infinity }
              : undefined,
          touch: async () => {},
        },
        cache: new Map(),
        onUse: () => {},
      }),
      readiness: makeReadiness({ checks: [], timeoutMs: 100, onChange: () => {} }),
      tracing: noTracing,
      logger,
      registry,
      security: createSecurityLog(registry, logger),
      ...dependencies,
    },
  );
  onTestFinished(async () => {
    await app.close();
  });
  return {
    app,
    registry,
    request: async (request) =>
      await app.inject({ ...request, headers: { authorization: `Bearer ${KEY}`, ...request.headers } }),
    logLines: () => lines.map((line) => JSON.parse(line) as LogLine),
  };
}
