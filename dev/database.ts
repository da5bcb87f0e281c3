import { Client, escapeIdentifier } from 'pg';
import { bootstrapRoles } from '#src/adapters/outbound/postgres/bootstrap-roles.ts';
import { migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';
import { type IssuedKey, issueApiKey } from '#src/composition/keys.ts';
import type { State } from './state.ts';

const DATABASE = 'dragonfly';
const DAY_MS = 24 * 3_600_000;
const ROLES = {
  owner: 'dragonfly_owner',
  api: 'dragonfly_api',
  worker: 'dragonfly_worker',
  readonly: 'dragonfly_readonly',
} as const;

type Role = keyof typeof ROLES;
/** The dev database, as each role reaches it. */
export type DatabaseUrls = Readonly<Record<Role, string>>;

/** Where a database URL leads. `pg` is asked, because a `host` parameter in the URL overrules its host. */
export const hostOf = (url: string): string => new Client({ connectionString: url }).host;

/** A path is a Unix socket. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\/.*)$/.test(host);

/** Makes the roles and the database, as far as they are missing. With `reset` the database is dropped first. */
export async function bootstrapDatabase(
  adminUrl: string,
  { passwords }: State,
  reset: boolean,
): Promise<DatabaseUrls> {
  if (reset) await dropDatabase(adminUrl);
  const credentials = (role: Role) => ({ name: ROLES[role], password: passwords[role] });
  const [owner, api, worker, readonly] = [
    credentials('owner'),
    credentials('api'),
    credentials('worker'),
    credentials('readonly'),
  ];
  await bootstrapRoles({ adminUrl, database: DATABASE, owner, api, worker, readonly });
  const urlAs = ({ name, password }: ReturnType<typeof credentials>): string => {
    const url = new URL(adminUrl);
    [url.username, url.password, url.pathname] = [name, password, `/${DATABASE}`];
    return url.href;
  };
  return { owner: urlAs(owner), api: urlAs(api), worker: urlAs(worker), readonly: urlAs(readonly) };
}

export async function migrateDatabase(urls: DatabaseUrls): Promise<string[]> {
  const { api, worker, readonly } = ROLES;
  const { applied } = await migrateToLatest({ databaseUrl: urls.owner, roles: { api, worker, readonly } });
  return applied;
}

/** A fresh key of the organisation `dev`, for one day; the one before is revoked. */
export const issueKey = async (urls: DatabaseUrls): Promise<IssuedKey> =>
  await issueApiKey({ databaseUrl: urls.owner, organization: 'dev', name: 'dev', lifetimeMs: DAY_MS });

async function dropDatabase(adminUrl: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl, application_name: 'dragonfly-dev' });
  await client.connect();
  try {
    await client.query(`drop database if exists ${escapeIdentifier(DATABASE)} with (force)`);
  } finally {
    await client.end();
  }
}
