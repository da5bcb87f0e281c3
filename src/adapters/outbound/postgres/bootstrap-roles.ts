import { escapeIdentifier, escapeLiteral } from 'pg';
import { installDdlLog } from './ddl-log-schema.ts';
import { refuseLargeObjects } from './large-objects.ts';
import { type Row, query } from './pool.ts';
import { STRONG_ATTRIBUTES } from './strong-attributes.ts';
import { withPool } from './with-pool.ts';

export interface RoleCredentials {
  readonly name: string;
  /** Without one the role cannot log in by password. */
  readonly password?: string | undefined;
}

export interface BootstrapOptions {
  /** As somebody who may create roles and databases; the database in it is only a place to stand. */
  readonly adminUrl: string;
  /** How long to wait for the server. */
  readonly startTimeoutMs?: number | undefined;
  readonly database: string;
  readonly owner: RoleCredentials;
  readonly api: RoleCredentials;
  readonly worker: RoleCredentials;
  readonly readonly: RoleCredentials;
}

/** What only a superuser can arrange. */
export interface Bootstrapped {
  readonly recordsDdl: boolean;
  readonly refusesLargeObjects: boolean;
}

/**
 * Makes the four roles and the database, as far as they are missing, and sets their passwords (SEC-12), and has direct DDL
 * recorded there (DATA-9). Idempotent. What a role may do is granted by the migrations. Once there is an audit log, it has each
 * run of this as an act of the administrator (DATA-7).
 *
 * @throws Error when a role that is there already may more than the service's roles may
 */
export async function bootstrapRoles(options: BootstrapOptions): Promise<Bootstrapped> {
  await makeRoles(options);
  const { owner, worker, readonly, startTimeoutMs } = options;
  const url = new URL(options.adminUrl);
  url.pathname = `/${encodeURIComponent(options.database)}`;
  return await withPool({ url: url.href, startTimeoutMs }, 'dragonfly-roles', async (pool) => {
    const readers = [worker, readonly].map(({ name }) => name);
    const client = await pool.connect();
    try {
      const run = async (text: string) => (await client.query<Row>(text)).rows;
      const refusesLargeObjects = await refuseLargeObjects(run);
      const recordsDdl = await installDdlLog(run, { owner: owner.name, readers });
      const [found] = await run(`select to_regprocedure('${AUDIT}') is not null as audited`);
      if (found?.['audited'] === true) await run("select ops.audit('roles.apply', null, 'done')");
      return { recordsDdl, refusesLargeObjects };
    } finally {
      client.release();
    }
  });
}

/** It comes with the migrations, and those after the roles. */
const AUDIT = 'ops.audit(text, text, text, jsonb, uuid)';

const makeRoles = async (options: BootstrapOptions): Promise<void> =>
  await withPool(
    { url: options.adminUrl, startTimeoutMs: options.startTimeoutMs },
    'dragonfly-roles',
    async (pool) => {
      const run: Run = async (text, values = []) => await query(pool, { text, values });
      const owner = escapeIdentifier(options.owner.name);
      const roles = [options.owner, options.api, options.worker, options.readonly];
      await refuseStrongRoles(run, roles);
      for (const role of roles) await createRole(run, role);
      // A managed service's administrator is no superuser: it must be a member to give a database away.
      await run(`grant ${owner} to current_user`);
      const database = escapeIdentifier(options.database);
      const found = await run('select from pg_database where datname = $1', [options.database]);
      if (found.length === 0) await run(`create database ${database} owner ${owner}`);
      else await run(`alter database ${database} owner to ${owner}`);
      await run(`revoke all on database ${database} from public`);
      for (const { name } of [options.api, options.worker, options.readonly]) {
        await run(`grant connect on database ${database} to ${escapeIdentifier(name)}`);
      }
    },
  );

type Run = (text: string, values?: readonly unknown[]) => Promise<Row[]>;

const STRONG = `
  select r.rolname as name, ${STRONG_ATTRIBUTES} as attributes from pg_roles r
   where r.rolname = any ($1) and ${STRONG_ATTRIBUTES} <> '{}' order by r.rolname`;

/**
 * A role that was there already may be somebody else's, the administrator's even, so nothing is taken from it.
 *
 * @throws Error with the statements that do
 */
async function refuseStrongRoles(run: Run, roles: readonly RoleCredentials[]): Promise<void> {
  const strong = (await run(STRONG, [roles.map(({ name }) => name)])) as unknown as readonly StrongRole[];
  if (strong.length === 0) return;
  const named = strong.map(({ name, attributes }) => `${name} (${attributes.join(', ')})`).join(', ');
  const cures = strong.map(
    ({ name, attributes }) =>
      `alter role ${escapeIdentifier(name)} ${attributes.map((one) => `no${one}`).join(' ')};`,
  );
  throw new Error(
    `SEC-12: a role of the service may not have attributes that pass by the rights it is given: ${named}. Nothing was changed. If the role is the service's alone: ${cures.join(' ')} Otherwise give the service another one.`,
  );
}

interface StrongRole {
  readonly name: string;
  readonly attributes: readonly string[];
}

async function createRole(run: Run, { name, password }: RoleCredentials): Promise<void> {
  const found = await run('select from pg_roles where rolname = $1', [name]);
  if (found.length === 0) await run(`create role ${escapeIdentifier(name)} login`);
  await run(
    `alter role ${escapeIdentifier(name)} with login password ${password === undefined ? 'null' : escapeLiteral(password)}`,
  );
}
