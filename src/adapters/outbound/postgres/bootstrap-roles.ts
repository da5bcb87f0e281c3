import { escapeIdentifier, escapeLiteral } from 'pg';
import { type Row, query } from './pool.ts';
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

/**
 * Makes the four roles and the database, as far as they are missing, and sets their passwords (SEC-12). Idempotent. What
 * a role may do is granted by the migrations.
 */
export const bootstrapRoles = async (options: BootstrapOptions): Promise<void> =>
  await withPool(
    { url: options.adminUrl, startTimeoutMs: options.startTimeoutMs },
    'dragonfly-roles',
    async (pool) => {
      const run: Run = async (text, values = []) => await query(pool, { text, values });
      const owner = escapeIdentifier(options.owner.name);
      for (const role of [options.owner, options.api, options.worker, options.readonly])
        await createRole(run, role);
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

async function createRole(run: Run, { name, password }: RoleCredentials): Promise<void> {
  const found = await run('select from pg_roles where rolname = $1', [name]);
  if (found.length === 0) await run(`create role ${escapeIdentifier(name)} login`);
  await run(
    `alter role ${escapeIdentifier(name)} with login password ${password === undefined ? 'null' : escapeLiteral(password)}`,
  );
}
