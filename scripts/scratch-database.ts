import { postgres } from '#dev/servers/postgres.ts';
import { requireServer } from '#dev/servers/resolve.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { bootstrapRoles } from '#src/adapters/outbound/postgres/bootstrap-roles.ts';
import { migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';

const DATABASE = 'scratch';
const ROLES = { api: 'scratch_api', worker: 'scratch_worker', readonly: 'scratch_readonly' };

/** Runs the work against a migrated database on a server of its own, which is gone afterwards. */
export async function withScratchDatabase<T>(work: (databaseUrl: string) => Promise<T>): Promise<T> {
  const server = await requireServer(postgres, {
    directory: temporaryDirectory('scratch'),
    durable: false,
    containers: 'fallback',
  });
  try {
    await server.ready;
    const url = new URL(server.url);
    url.username = 'scratch_owner';
    await bootstrapRoles({
      adminUrl: server.url,
      database: DATABASE,
      owner: { name: url.username, password: url.password },
      api: { name: ROLES.api },
      worker: { name: ROLES.worker },
      readonly: { name: ROLES.readonly },
    });
    url.pathname = `/${DATABASE}`;
    await migrateToLatest({ databaseUrl: url.href, roles: ROLES });
    return await work(url.href);
  } finally {
    await server.stop();
  }
}
