import { describe, expect, it } from 'vitest';
import { connectRoles } from './roles.ts';

const { owner, readonly } = await connectRoles();

const signatures = await owner<{ name: string; arguments: string; result: string }>`
  select proname as name, pg_get_function_arguments(oid) as arguments, pg_get_function_result(oid) as result
    from pg_proc where pronamespace = 'ops'::regnamespace`;
const signatureOf = (name: string) => signatures.find((signature) => signature.name === name);

const CLAIM =
  'job_id uuid, job_type text, payload jsonb, attempts integer, created_at timestamp with time zone, lease_token bigint';

const QUEUED =
  'TABLE(created boolean, job_id uuid, created_at timestamp with time zone, run_at timestamp with time zone, to_wake boolean)';

const CANONICAL = [
  {
    name: 'claim_pending_job',
    arguments:
      'p_job_types text[], p_lock_timeout_minutes integer DEFAULT 30, p_worker_id text DEFAULT NULL::text',
    result: expect.stringContaining(`TABLE(${CLAIM},`),
  },
  {
    name: 'update_job_status',
    arguments:
      'p_job_id uuid, p_status text, p_error_message text DEFAULT NULL::text, p_backoff_seconds integer DEFAULT NULL::integer',
    result: 'boolean',
  },
  {
    name: 'queue_job',
    arguments:
      'p_type text, p_payload jsonb, p_priority integer DEFAULT 0, p_run_at timestamp with time zone DEFAULT now()',
    result: 'uuid',
  },
  {
    name: 'register_heartbeat',
    arguments:
      "p_worker_id text, p_worker_type text, p_hostname text DEFAULT NULL::text, p_status text DEFAULT 'running'::text",
    result: 'text',
  },
];

describe('[Q-1] [DATA-6] canonical functions', () => {
  it.for(CANONICAL)('ops.$name has its exact signature', (expected) => {
    expect(signatureOf(expected.name)).toEqual(expected);
  });

  it('no function of ops has an overload that could make a call ambiguous', () => {
    const names = signatures.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  });
});

const BESIDE = [
  {
    name: 'queue_job_idempotent',
    arguments:
      'p_type text, p_payload jsonb, p_idempotency_key text, p_priority integer DEFAULT 0, p_run_at timestamp with time zone DEFAULT now()',
    result: 'uuid',
  },
  {
    name: 'queue_one_job',
    arguments:
      'p_type text, p_payload jsonb, p_priority integer, p_run_at timestamp with time zone, p_unique_key text, p_max_attempts integer, p_options jsonb, OUT created boolean, OUT job_id uuid, OUT created_at timestamp with time zone, OUT run_at timestamp with time zone, OUT to_wake boolean',
    result: 'record',
  },
  {
    name: 'queue_jobs_of_callers',
    arguments: 'p_jobs jsonb',
    result: QUEUED,
  },
  {
    name: 'queue_jobs',
    arguments: 'p_jobs jsonb',
    result: QUEUED,
  },
  {
    name: 'claim_jobs',
    arguments: 'p_job_types text[], p_limit integer, p_lock_timeout_minutes integer, p_worker_id text',
    result: expect.stringContaining(
      `TABLE(${CLAIM}, priority integer, max_attempts integer, run_at timestamp with time zone, trace_id text, organization_id uuid, options jsonb`,
    ),
  },
  {
    name: 'complete_jobs',
    arguments:
      'p_job_ids uuid[], p_lease_tokens bigint[], p_statuses text[], p_errors text[] DEFAULT NULL::text[], p_backoffs double precision[] DEFAULT NULL::double precision[], p_results jsonb[] DEFAULT NULL::jsonb[], p_follow_ups jsonb[] DEFAULT NULL::jsonb[]',
    result: 'TABLE(job_id uuid, lease_token bigint)',
  },
  {
    name: 'reap_stuck_jobs',
    arguments: 'p_lock_timeout_minutes integer DEFAULT 30',
    result: 'TABLE(job_id uuid, job_type text, action_taken text, attempts integer, max_attempts integer)',
  },
  {
    name: 'worker_beat',
    arguments:
      'p_worker_id text, p_worker_type text, p_hostname text, p_status text, p_dead_after_seconds double precision, p_job_ids uuid[], p_lease_tokens bigint[], OUT command text, OUT lost_job_ids uuid[], OUT lost_lease_tokens bigint[]',
    result: 'record',
  },
  { name: 'cancel_job', arguments: 'p_job_id uuid', result: expect.stringMatching(/^SETOF /) },
  { name: 'retry_job', arguments: 'p_job_id uuid', result: expect.stringMatching(/^SETOF /) },
  { name: 'pause_queue', arguments: 'p_type text', result: 'void' },
  { name: 'resume_queue', arguments: 'p_type text', result: 'void' },
  { name: 'redrive_jobs', arguments: 'p_type text, p_most integer', result: 'integer' },
  { name: 'purge_jobs', arguments: 'p_type text, p_most integer', result: 'integer' },
  { name: 'freeze_queues', arguments: '', result: 'void' },
  { name: 'unfreeze_queues', arguments: '', result: 'void' },
  { name: 'command_worker', arguments: 'p_worker_id text, p_command text', result: 'boolean' },
  { name: 'wake', arguments: 'p_types text[]', result: 'boolean' },
  { name: 'set_idle', arguments: 'p_types text[], p_idle boolean', result: 'void' },
  {
    name: 'maintain',
    arguments: "p_keep interval DEFAULT '7 days'::interval",
    result: 'text',
  },
  {
    name: 'prune',
    arguments: "p_keep_audit interval DEFAULT '400 days'::interval",
    result: 'text',
  },
  {
    name: 'audit',
    arguments:
      "p_action text, p_target text, p_outcome text, p_detail jsonb DEFAULT '{}'::jsonb, p_organization_id uuid DEFAULT NULL::uuid",
    result: 'void',
  },
  {
    name: 'seal_audit_log',
    arguments: 'p_limit integer, OUT seq bigint, OUT entries integer, OUT hash text',
    result: 'record',
  },
  {
    name: 'scan_audit',
    arguments:
      'p_action text, p_actor text, p_from timestamp with time zone, p_before timestamp with time zone, p_after bigint, p_limit integer, OUT ids bigint[], OUT next bigint',
    result: 'record',
  },
  { name: 'audit_unsealed_age', arguments: '', result: 'double precision' },
  {
    name: 'begin_idempotent',
    arguments:
      'p_operation text, p_key text, p_fingerprint bytea, OUT state text, OUT status smallint, OUT headers json, OUT body text',
    result: 'record',
  },
  {
    name: 'end_idempotent',
    arguments:
      'p_operation text, p_key text, p_fingerprint bytea, p_status integer, p_headers json, p_body text',
    result: 'void',
  },
  {
    name: 'queue_figures',
    arguments: '',
    result:
      'TABLE(type text, depth integer, scheduled integer, processing integer, failed integer, oldest_at timestamp with time zone)',
  },
  {
    name: 'queue_stats',
    arguments: '',
    result:
      'TABLE(type text, depth integer, scheduled integer, processing integer, failed integer, oldest_age_seconds double precision)',
  },
  {
    name: 'authenticate_api_key',
    arguments: 'p_key_hash bytea',
    result:
      'TABLE(key_id uuid, organization_id uuid, expires_at timestamp with time zone, role text, scopes text[])',
  },
  {
    name: 'create_api_key',
    arguments: 'p_name text, p_key_hash bytea, p_lifetime interval, p_role text, p_scopes text[]',
    result: 'uuid',
  },
  { name: 'current_actor', arguments: '', result: 'text' },
  { name: 'current_organization', arguments: '', result: 'uuid' },
  { name: 'current_trace', arguments: '', result: 'text' },
  { name: 'frozen_since', arguments: '', result: 'timestamp with time zone' },
  { name: 'revoke_api_key', arguments: 'p_id uuid', result: 'boolean' },
  {
    name: 'rotate_api_key',
    arguments: 'p_id uuid, p_key_hash bytea, p_lifetime interval, p_overlap interval',
    result: 'uuid',
  },
  {
    name: 'scan_jobs',
    arguments:
      'p_type text, p_status text, p_from timestamp with time zone, p_before timestamp with time zone, p_after uuid, p_limit integer, OUT ids uuid[], OUT next uuid',
    result: 'record',
  },
  { name: 'schema_version', arguments: '', result: 'text' },
  { name: 'touch_api_keys', arguments: 'p_key_ids uuid[], p_organization_ids uuid[]', result: 'void' },
];

describe('[Q-1] [DATA-6] functions beside them', () => {
  it.for(BESIDE)('ops.$name has its signature', (expected) => {
    expect(signatureOf(expected.name)).toEqual(expected);
  });
});

describe('views', () => {
  it.for([
    {
      view: 'jobs',
      columns:
        'id type status priority payload unique_key attempts max_attempts organization_id created_by trace_id created_at run_at started_at finished_at last_error result options',
    },
    { view: 'audit', columns: 'id at actor action target outcome trace_id detail' },
    { view: 'queues', columns: 'type depth scheduled processing failed oldest_at' },
    { view: 'queue_pauses', columns: 'type paused_at' },
    { view: 'workers', columns: 'id type status command started_at last_seen_at alive' },
  ])('ops.$view has the columns that readers use', async ({ view, columns }) => {
    const found = await readonly<{ name: string }>`
      select attname as name from pg_attribute where attrelid = ${`ops.${view}`}::regclass and attnum > 0`;
    expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(columns.split(' ')));
  });
});
