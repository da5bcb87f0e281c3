import { Client, escapeIdentifier } from 'pg';
import { bootstrapRoles } from '#src/adapters/outbound/postgres/bootstrap-roles.ts';
import { migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';
import { issueApiKey } from '#src/composition/keys.ts';
import type { Access } from './access.ts';
import type { State } from './state.ts';

const DAY_MS = 24 * 3_600_000;

type Role = keyof State['passwords'];
/** The dev database, as each role reaches it. */
export type DatabaseUrls = Readonly<Record<Role, string>>;

/** Where a database URL leads. `pg` is asked, because a `host` parameter in the URL overrules its host. */
export const hostOf = (url: string): string => new Client({ connectionString: url }).host;

/** A path is a Unix socket. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\/.*)$/.test(host);

/**
 * Makes the roles and the database of this state, as far as they are missing. With `reset` the database is dropped first.
 * Nothing else on the server is touched.
 */
export async function bootstrapDatabase(
  adminUrl: string,
  { name: database, passwords }: State,
  reset: boolean,
): Promise<DatabaseUrls> {
  if (reset) await dropDatabase(adminUrl, database);
  const credentials = (role: Role) => ({ name: `${database}_${role}`, password: passwords[role] });
  const [owner, api, worker, readonly] = [
    credentials('owner'),
    credentials('api'),
    credentials('worker'),
    credentials('readonly'),
  ];
  await bootstrapRoles({ adminUrl, database, owner, api, worker, readonly });
  const urlAs = ({ name, password }: ReturnType<typeof credentials>): string => {
    const url = new URL(adminUrl);
    [url.username, url.password, url.pathname] = [name, password, `/${database}`];
    return url.href;
  };
  return { owner: urlAs(owner), api: urlAs(api), worker: urlAs(worker), readonly: urlAs(readonly) };
}

export async function migrateDatabase(urls: DatabaseUrls): Promise<string[]> {
  const { applied } = await migrateToLatest({
    databaseUrl: urls.owner,
    roles: { api: roleOf(urls.api), worker: roleOf(urls.worker), readonly: roleOf(urls.readonly) },
  });
  return applied;
}

const roleOf = (url: string): string => new URL(url).username;

/** A fresh key of the organisation `dev`, for one day; the one before is revoked. */
export async function issueAccess({ owner, readonly }: DatabaseUrls): Promise<Access> {
  const { key, organizationId } = await issueApiKey({
    databaseUrl: owner,
    organization: 'dev',
    name: 'dev',
    role: 'admin',
    lifetimeMs: DAY_MS,
  });
  // Without an organisation the views are empty.
  const url = new URL(readonly);
  url.search += `${url.search === '' ? '' : '&'}options=-c%20ops.organization_id%3D${organizationId}`;
  return { key, database: url.href };
}

async function dropDatabase(adminUrl: string, database: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl, application_name: 'dragonfly-dev' });
  await client.connect();
  try {
    await client.query(`drop database if exists ${escapeIdentifier(database)} with (force)`);
  } finally {
    await client.end();
  }
}
