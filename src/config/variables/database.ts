import { z } from 'zod';
import { duration, integer, optional, required, url, withDefault } from '../variable.ts';

const EXAMPLE = 'postgres://user:password@host:5432/database';
const SCHEME = /^postgres(?:ql)?$/;
const databaseUrl = url(SCHEME, EXAMPLE);
// What a union says of a text is what its format says.
const databaseUrlOrNone = z.union([z.literal('none'), url(SCHEME, `${EXAMPLE}, or none`)]);
const roleName = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'A PostgreSQL role name in lower case.');

const serving = { roles: ['api', 'worker'] } as const;
const setup = { roles: ['migrate', 'roles', 'doctor', 'security-audit'] } as const;

const replicasMax = (role: 'api' | 'worker') =>
  optional(
    integer(0, 9999),
    `Most replicas of ${role} at the same time, with those that a rollout adds, for the sum of all pools. The chart sets it.`,
    { roles: ['doctor'] },
  );

/** PostgreSQL: one URL for each role of it (SEC-12), and the bounds of the pool (ARC-10). */
export const databaseVariables = {
  DRAGONFLY_API_DATABASE_URL: required(databaseUrl, 'PostgreSQL as the api role.', {
    tier: 'sensitive',
    roles: ['api', 'roles'],
  }),
  DRAGONFLY_WORKER_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as the worker role. The worker also listens there, unless DRAGONFLY_WORKER_LISTEN_URL says otherwise.',
    { tier: 'sensitive', roles: ['worker', 'roles'] },
  ),
  DRAGONFLY_WORKER_LISTEN_URL: optional(
    databaseUrlOrNone,
    'Where the worker listens for notifications, if not at DRAGONFLY_WORKER_DATABASE_URL: a direct connection as the same role. With none it only polls, and learns of cancelled jobs by its next heartbeat. Required with a transaction pooler.',
    { tier: 'sensitive', roles: ['worker'] },
  ),
  DRAGONFLY_OWNER_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as the owner of the schema, for migrations, keys, workers, the audit log and to restore. A direct connection.',
    {
      tier: 'sensitive',
      roles: [
        'migrate',
        'roles',
        'keys',
        'audit',
        'workers',
        'doctor',
        'security-audit',
        'restore',
        'release',
      ],
    },
  ),
  DRAGONFLY_ADMIN_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as somebody who may create roles and databases: for `roles`, and for the scratch databases of `migrate verify --scratch` and `schema-check`.',
    { tier: 'sensitive', roles: ['roles', 'scratch'] },
  ),
  DRAGONFLY_BACKUP_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as a role that reads every row and no more: BYPASSRLS and a member of pg_read_all_data. A direct connection.',
    { tier: 'sensitive', roles: ['backup'] },
  ),
  DRAGONFLY_API_ROLE: withDefault(roleName, 'dragonfly_api', 'Database role of the API.', setup),
  DRAGONFLY_WORKER_ROLE: withDefault(roleName, 'dragonfly_worker', 'Database role of the worker.', setup),
  DRAGONFLY_READONLY_ROLE: withDefault(
    roleName,
    'dragonfly_readonly',
    'Database role for people who look.',
    setup,
  ),
  DRAGONFLY_MIGRATION_LOCK_TIMEOUT: withDefault(
    duration('0ms'),
    '5m',
    'How long to wait for another runner of migrations.',
    { roles: ['migrate'] },
  ),
  DRAGONFLY_DATABASE_POOLER: withDefault(
    z.enum(['none', 'transaction'], 'none or transaction.'),
    'none',
    'What stands between this process and PostgreSQL: `transaction` for PgBouncer in transaction mode. Nothing is prepared then, and nothing set at the start of a connection.',
    serving,
  ),
  DRAGONFLY_DATABASE_POOL_MAX: withDefault(
    integer(1, 200),
    '10',
    'Most connections of this process; times the replicas it must fit the server.',
    { roles: ['api', 'worker', 'doctor'] },
  ),
  DRAGONFLY_API_REPLICAS_MAX: replicasMax('api'),
  DRAGONFLY_WORKER_REPLICAS_MAX: replicasMax('worker'),
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: withDefault(
    duration('1ms'),
    '2s',
    'Longest wait for a connection of the pool.',
    serving,
  ),
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: withDefault(
    duration('1ms'),
    '5s',
    'Longest run of one statement. Through a pooler the roles need the limit, too: see the runbook.',
    serving,
  ),
} as const;
