import { bootstrapRoles } from '#src/adapters/outbound/postgres/bootstrap-roles.ts';
import { readGrants } from '#src/adapters/outbound/postgres/grants.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { Grant } from '#src/application/checks/security/facts.ts';
import { loadConfig } from '#src/config/load.ts';
import { DatabaseError } from 'pg';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  usage: [''],
  examples: ['dragonfly roles'],
  permission: 'roles:write',
  run: async ({ environment }) => {
    const config = loadConfig(['roles'], environment);
    const owner = new URL(config.DRAGONFLY_OWNER_DATABASE_URL);
    const arranged = await bootstrapRoles({
      adminUrl: config.DRAGONFLY_ADMIN_DATABASE_URL,
      startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
      database: decodeURIComponent(owner.pathname.slice(1)),
      owner: credentials(config.DRAGONFLY_OWNER_DATABASE_URL),
      api: credentials(config.DRAGONFLY_API_DATABASE_URL),
      worker: credentials(config.DRAGONFLY_WORKER_DATABASE_URL),
      readonly: { name: config.DRAGONFLY_READONLY_ROLE },
    }).catch(explain);
    const grants = await withPool(
      { url: config.DRAGONFLY_OWNER_DATABASE_URL },
      'dragonfly-roles',
      async (pool) => readGrants(async (statement) => await query(pool, statement)),
    );
    const lines = [
      arranged.recordsDdl ? 'direct DDL is recorded' : NOT_RECORDED,
      arranged.refusesLargeObjects ? 'nobody makes large objects' : NOT_REFUSED,
      'roles and database are there; what they may do:',
      ...grants.map(lineOf),
    ];
    return { text: lines.join('\n'), data: { ...arranged, grants } };
  },
});

/** The database that is to be made is the owner's. */
function explain(error: unknown): never {
  if (!(error instanceof DatabaseError) || error.code !== INVALID_CATALOG_NAME) throw error;
  const cure = 'DRAGONFLY_ADMIN_DATABASE_URL has to name a database that is there already, such as postgres.';
  throw new Error(`${error.message}: ${cure}`, { cause: error });
}

const INVALID_CATALOG_NAME = '3D000';

const NOT_RECORDED =
  'direct DDL is NOT recorded: event triggers need a superuser, and the administrator is none; `schema-check` finds what differs';

const NOT_REFUSED =
  'large objects are NOT refused: only a superuser can take them from everybody, and the administrator is none; watch the size of pg_largeobject';

const lineOf = ({ role, kind, object, privileges }: Grant): string =>
  `${role.padEnd(24)} ${kind.padEnd(9)} ${privileges.padEnd(16)} ${object}`;

const credentials = (url: string) => {
  const { username, password } = new URL(url);
  return { name: decodeURIComponent(username), password: decodeURIComponent(password) };
};
