import { Client, escapeIdentifier, escapeLiteral } from 'pg';

export interface RoleCredentials {
  readonly name: string;
  /** Without one the role cannot log in by password. */
  readonly password?: string | undefined;
}

export interface BootstrapOptions {
  /** As somebody who may create roles and databases; the database in it is only a place to stand. */
  readonly adminUrl: string;
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
export async function bootstrapRoles(options: BootstrapOptions): Promise<void> {
  const client = new Client({ connectionString: options.adminUrl, application_name: 'dragonfly-roles' });
  await client.connect();
  try {
    const owner = escapeIdentifier(options.owner.name);
    for (const role of [options.owner, options.api, options.worker, options.readonly])
      await createRole(client, role);
    // A managed service's administrator is no superuser: it must be a member to give a database away.
    await client.query(`grant ${owner} to current_user`);
    const database = escapeIdentifier(options.database);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [options.database]);
    if (rowCount === 0) await client.query(`create database ${database} owner ${owner}`);
    else await client.query(`alter database ${database} owner to ${owner}`);
    await client.query(`revoke all on database ${database} from public`);
    for (const { name } of [options.api, options.worker, options.readonly]) {
      await client.query(`grant connect on database ${database} to ${escapeIdentifier(name)}`);
    }
  } finally {
    await client.end();
  }
}

async function createRole(client: Client, { name, password }: RoleCredentials): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [name]);
  if (rowCount === 0) await client.query(`create role ${escapeIdentifier(name)} login`);
  await client.query(
    `alter role ${escapeIdentifier(name)} with login password ${password === undefined ? 'null' : escapeLiteral(password)}`,
  );
}
