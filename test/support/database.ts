import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, escapeIdentifier } from 'pg';
import { afterAll, inject } from 'vitest';
import { type DatabaseRole, asAdmin, urlAs } from './cluster.ts';
import './servers.ts';

export interface TestDatabase {
  readonly name: string;
  /** Tests act as the roles. `admin` is the server's superuser, for what no role may do: ending connections, say. */
  readonly urls: Readonly<Record<DatabaseRole | 'admin', string>>;
}

/**
 * A migrated database of the calling test file's own, cloned from the template and dropped after the file's last test,
 * with whatever is still connected to it. Call it at the top of the file: `const database = await testDatabase();`
 */
export async function testDatabase(): Promise<TestDatabase> {
  const cluster = inject('cluster');
  const { adminUrl, prefix, template, credentials } = cluster;
  const name = `${prefix}_${randomBytes(4).toString('hex')}`;
  const database = escapeIdentifier(name);
  await asAdmin(adminUrl, async (client) => {
    // Cloning is a copy of files between two checkpoints; two at a time only disturb each other.
    await client.query('select pg_advisory_lock(hashtext($1))', [prefix]);
    const [owner, source] = [credentials.owner.name, template].map((text) => escapeIdentifier(text));
    await client.query(`create database ${database} owner ${owner} template ${source} strategy file_copy`);
    // A clone has the template's contents, but not what was granted on the template as a whole.
    await client.query(`revoke all on database ${database} from public`);
    const roles = (['api', 'worker', 'readonly'] as const).map((role) =>
      escapeIdentifier(credentials[role].name),
    );
    await client.query(`grant connect on database ${database} to ${roles.join(', ')}`);
  });
  afterAll(async () => {
    await asAdmin(adminUrl, async (client) => {
      await disconnected(client, name);
      await client.query(`drop database ${database} with (force)`);
    });
  });

  const as = (role: DatabaseRole): string => urlAs(cluster, role, name);
  const admin = new URL(adminUrl);
  admin.pathname = `/${name}`;
  return {
    name,
    urls: {
      owner: as('owner'),
      api: as('api'),
      worker: as('worker'),
      readonly: as('readonly'),
      admin: admin.href,
    },
  };
}

/** A pool says that it has ended before its connections have; ending them by force would look like a failure. */
async function disconnected(client: Client, database: string): Promise<void> {
  for (const deadline = Date.now() + 1000; Date.now() < deadline;) {
    const { rowCount } = await client.query('select from pg_stat_activity where datname = $1', [database]);
    if (rowCount === 0) return;
    await sleep(10);
  }
}

/** The variables that say as which roles a test's service connects. */
export const roleNames = ({ urls }: Pick<TestDatabase, 'urls'>) => ({
  DRAGONFLY_API_ROLE: new URL(urls.api).username,
  DRAGONFLY_WORKER_ROLE: new URL(urls.worker).username,
  DRAGONFLY_READONLY_ROLE: new URL(urls.readonly).username,
});
