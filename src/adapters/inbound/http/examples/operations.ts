import { jobRegistry } from '#src/application/jobs/registry.ts';
import type { z } from 'zod';
import type { auditEntry } from '../schemas/audit.ts';
import type { apiKey } from '../schemas/api-key.ts';
import { encodeCursor } from '../schemas/cursor.ts';
import { toJobType } from '../schemas/job-type.ts';
import type { job, newJob } from '../schemas/job.ts';
import type { queue } from '../schemas/queue.ts';
import type { worker } from '../schemas/worker.ts';

/** What is sent and answered; those of parameters stand in their schemas. */
interface Examples {
  readonly body?: unknown;
  /** By status. */
  readonly answers?: Readonly<Record<number, unknown>>;
  /** Of each of these answers. */
  readonly headers?: Readonly<Record<string, string>>;
}

const NEW_JOB: z.input<typeof newJob> = {
  type: 'webhook.deliver',
  payload: { url: 'https://example.com/hooks/orders', body: { order: 1042, state: 'paid' } },
  priority: 10,
  run_at: '2026-01-31T08:00:00Z',
  unique_key: 'order-1042-paid',
  max_attempts: 8,
  timeout_seconds: 20,
  backoff: { initial_delay_seconds: 10 },
};

const PENDING: z.output<typeof job> = {
  id: '019c1222-7c00-7d3b-9a54-3f1c6a2e8b90',
  type: 'webhook.deliver',
  status: 'pending',
  priority: 10,
  attempts: 0,
  max_attempts: 8,
  created_at: '2026-01-31T07:59:58.120934Z',
  run_at: '2026-01-31T08:00:00.000000Z',
  started_at: null,
  finished_at: null,
  last_error: null,
  result: null,
  trace_id: '0af7651916cd43dd8448eb211c80319c',
};

const CANCELLED: typeof PENDING = {
  ...PENDING,
  status: 'cancelled',
  finished_at: '2026-01-31T07:59:59.310482Z',
};

const COMPLETED: typeof PENDING = {
  ...PENDING,
  status: 'completed',
  attempts: 1,
  started_at: '2026-01-31T08:00:00.004117Z',
  finished_at: '2026-01-31T08:00:00.231846Z',
  result: { status: 200 },
};

const QUEUE: z.output<typeof queue> = {
  type: 'webhook.deliver',
  depth: 12,
  scheduled: 3,
  processing: 4,
  failed: 1,
  oldest_age_seconds: 1.25,
  paused: false,
};

const WORKER: z.output<typeof worker> = {
  id: 'worker-7d9f-1',
  type: 'webhook.deliver',
  status: 'running',
  alive: true,
  started_at: '2026-01-31T06:12:03.551200Z',
  last_seen_at: '2026-01-31T07:59:41.902377Z',
};

const AUDIT_ENTRY: z.output<typeof auditEntry> = {
  id: 1042,
  at: '2026-01-31T07:59:59.310482Z',
  actor: 'api_key:019c1222-7c00-7d3b-9a54-3f1c6a2e8b90',
  action: 'queue.redrive',
  target: 'webhook.deliver',
  outcome: 'done',
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  detail: { jobs: 42 },
};

const API_KEY: z.output<typeof apiKey> = {
  id: '019c1222-7c00-7d3b-9a54-3f1c6a2e8b91',
  name: 'shop',
  role: 'service',
  scopes: ['jobs:queue', 'jobs:read'],
  created_by: 'api_key:019c1222-7c00-7d3b-9a54-3f1c6a2e8b90',
  created_at: '2026-01-31T07:59:58.120934Z',
  expires_at: '2026-05-01T07:59:58.120934Z',
  revoked_at: null,
  last_used_at: null,
};
/** Its checksum is wrong. */
const ISSUED = { ...API_KEY, key: `dfk_${'EXAMPLE'.repeat(7)}` };

const READINESS = {
  200: { status: 'ready', services: { postgres: 'ok', schema_version: 'ok', redis: 'degraded' } },
  503: { status: 'not_ready', services: { postgres: 'ok', redis: 'ok', schema_version: 'unavailable' } },
};

/** By operation id. Only the document needs them, so they are loaded with it; the linter finds what is missing. */
export const operationExamples: Readonly<Record<string, Examples>> = {
  getHealth: { answers: { 200: { status: 'ok' } } },
  getReadiness: { answers: READINESS },
  getReadinessAlias: { answers: READINESS },
  queueJob: {
    body: NEW_JOB,
    answers: { 200: PENDING, 201: PENDING },
    headers: { location: `/v1/jobs/${PENDING.id}` },
  },
  queueJobs: { body: { jobs: [NEW_JOB] }, answers: { 201: { jobs: [PENDING] } } },
  listJobs: {
    answers: {
      200: {
        jobs: [COMPLETED],
        next_cursor: encodeCursor(COMPLETED.id),
      },
    },
  },
  getJob: { answers: { 200: COMPLETED } },
  cancelJob: { answers: { 200: CANCELLED } },
  retryJob: { answers: { 200: PENDING } },
  redriveQueue: { body: { limit: 100 }, answers: { 200: { jobs: 42 } } },
  purgeQueue: { body: { limit: 100 }, answers: { 200: { jobs: 42 } } },
  listQueues: { answers: { 200: { queues: [QUEUE] } } },
  listWorkers: { answers: { 200: { workers: [WORKER] } } },
  listAuditEntries: {
    answers: { 200: { entries: [AUDIT_ENTRY], next_cursor: encodeCursor(AUDIT_ENTRY.id) } },
  },
  createApiKey: {
    body: { name: 'shop', role: 'service', scopes: ['jobs:queue', 'jobs:read'], lifetime_days: 90 },
    answers: { 201: ISSUED },
  },
  rotateApiKey: { body: { lifetime_days: 90, overlap_hours: 1 }, answers: { 201: ISSUED } },
  revokeApiKey: { answers: { 200: { ...API_KEY, revoked_at: '2026-02-01T08:00:00.000000Z' } } },
  listApiKeys: { answers: { 200: { api_keys: [API_KEY], next_cursor: encodeCursor(API_KEY.id) } } },
  getMe: {
    answers: {
      200: {
        actor: `api_key:${API_KEY.id}`,
        organization: { id: '019c1222-7c00-7d3b-9a54-3f1c6a2e8b92', name: 'acme' },
        role: 'service',
      },
    },
  },
  getMyPermissions: { answers: { 200: { permissions: ['me:read', 'jobs:read', 'jobs:queue'] } } },
  listJobTypes: { answers: { 200: { job_types: [...jobRegistry.values()].map(toJobType) } } },
};
