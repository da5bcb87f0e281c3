import { z } from 'zod';
import { duration, integer, required, url, withDefault } from '../variable.ts';

const databaseUrl = url(/^postgres(?:ql)?$/, 'postgres://user:password@host:5432/database');
const roleName = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'A PostgreSQL role name in lower case.');

const serving = { roles: ['api', 'worker'] } as const;
const setup = { roles: ['migrate', 'roles'] } as const;

/** PostgreSQL: one URL for each role of it (SEC-12), and the bounds of the pool (ARC-10). */
export const databaseVariables = {
  DRAGONFLY_API_DATABASE_URL: required(databaseUrl, 'PostgreSQL as the api role.', {
    tier: 'sensitive',
    roles: ['api', 'roles'],
  }),
  DRAGONFLY_WORKER_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as the worker role. A direct connection, not one through a transaction pooler: it listens.',
    { tier: 'sensitive', roles: ['worker', 'roles'] },
  ),
  DRAGONFLY_OWNER_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as the owner of the schema, for migrations and keys.',
    {
      tier: 'sensitive',
      roles: ['migrate', 'roles', 'keys'],
    },
  ),
  DRAGONFLY_ADMIN_DATABASE_URL: required(
    databaseUrl,
    'PostgreSQL as somebody who may create roles and databases; only the `roles` command uses it.',
    { tier: 'sensitive', roles: ['roles'] },
  ),
  DRAGONFLY_API_ROLE: withDefault(roleName, 'dragonfly_api', 'Database role of the API.', setup),
  DRAGONFLY_WORKER_ROLE: withDefault(roleName, 'dragonfly_worker', 'Database role of the worker.', setup),
  DRAGONFLY_READONLY_ROLE: withDefault(
    roleName,
    'dragonfly_readonly',
    'Database role for people who look.',
    setup,
  ),
  DRAGONFLY_DATABASE_POOL_MAX: withDefault(
    integer(1, 200),
    '10',
    'Most connections of this process; times the replicas it must fit the server.',
    serving,
  ),
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: withDefault(
    duration('1ms'),
    '2s',
    'Longest wait for a connection of the pool.',
    serving,
  ),
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: withDefault(
    duration('1ms'),
    '5s',
    'Longest run of one statement.',
    serving,
  ),
} as const;
