import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { bootstrapRoles } from '#src/adapters/outbound/postgres/bootstrap-roles.ts';
import { migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';

const ROLES = ['owner', 'api', 'worker', 'readonly'] as const;
export type DatabaseRole = (typeof ROLES)[number];

/** What a test run made on its PostgreSQL server. All names start with a prefix of this run. */
export interface Cluster {
  readonly adminUrl: string;
  readonly prefix: string;
  /** A migrated database that nobody may connect to, so that it can always be cloned. */
  readonly template: string;
  readonly credentials: Readonly<Record<DatabaseRole, { readonly name: string; readonly password: string }>>;
}

/** Makes roles and a migrated template database of this run's own. */
export async function createCluster(adminUrl: string): Promise<Cluster> {
  const prefix = `dragonfly_test_${randomBytes(4).toString('hex')}`;
  const credential = (role: DatabaseRole) => ({
    name: `${prefix}_${role}`,
    password: randomBytes(24).toString('base64url'),
  });
  const credentials = {
    owner: credential('owner'),
    api: credential('api'),
    worker: credential('worker'),
    readonly: credential('readonly'),
  };
  const cluster = { adminUrl, prefix, template: `${prefix}_template`, credentials };
  const { owner, api, worker, readonly } = credentials;
  await bootstrapRoles({ adminUrl, database: cluster.template, owner, api, worker, readonly });
  await migrateToLatest({
    databaseUrl: urlAs(cluster, 'owner', cluster.template),
    roles: { api: api.name, worker: worker.name, readonly: readonly.name },
  });
  await asAdmin(adminUrl, async (client) => {
    await client.query(`alter database ${escapeIdentifier(cluster.template)} allow_connections false`);
  });
  return cluster;
}

/** Leaves the server as it was found: drops every database and role of this run. */
export async function dropCluster({ adminUrl, prefix, credentials }: Cluster): Promise<void> {
  await asAdmin(adminUrl, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'select datname from pg_database where starts_with(datname, $1)',
      [prefix],
    );
    for (const { datname } of rows) {
      await client.query(`drop database ${escapeIdentifier(datname)} with (force)`);
    }
    for (const role of ROLES) await client.query(`drop role ${escapeIdentifier(credentials[role].name)}`);
  });
}

export function urlAs({ adminUrl, credentials }: Cluster, role: DatabaseRole, database: string): string {
  const url = new URL(adminUrl);
  url.username = credentials[role].name;
  url.password = credentials[role].password;
  url.pathname = `/${database}`;
  return url.href;
}

export async function asAdmin<T>(adminUrl: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: adminUrl, application_name: 'dragonfly-test' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
