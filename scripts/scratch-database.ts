import { rmSync } from 'node:fs';
import { type DatabaseUrls, bootstrapDatabase, migrateDatabase } from '#dev/database.ts';
import { postgres } from '#dev/servers/postgres.ts';
import { requireServer } from '#dev/servers/resolve.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { newState } from '#dev/state.ts';

/** Runs the work against a migrated database on a server of its own, which is gone afterwards. */
export async function withScratchDatabase<T>(work: (urls: DatabaseUrls) => Promise<T>): Promise<T> {
  const directory = temporaryDirectory('scratch');
  const server = await requireServer(postgres, { directory });
  try {
    await server.ready;
    const urls = await bootstrapDatabase(server.url, newState(), false);
    await migrateDatabase(urls);
    return await work(urls);
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
