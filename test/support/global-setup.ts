import type { TestProject } from 'vitest/node';
import { postgres } from '#dev/servers/postgres.ts';
import { rabbitmq } from '#dev/servers/rabbitmq.ts';
import { redis } from '#dev/servers/redis.ts';
import { type Sources, requireServer, resolveServer } from '#dev/servers/resolve.ts';
import type { Absent, Server, Service } from '#dev/servers/server.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { createCluster, dropCluster } from './cluster.ts';
import type { MaybeServer } from './servers.ts';

type Resolve<T> = (service: Service, sources: Sources) => Promise<T>;

/**
 * Starts or finds the servers of a test run and says which. `TEST_DATABASE_URL`, `TEST_REDIS_URL` and `TEST_AMQP_URL` name
 * servers to use; `SERVICES=containers` asks for containers; with `REQUIRE_SERVICES=1` a missing server is a failure.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const resolveOther: Resolve<Server | Absent> =
    process.env['REQUIRE_SERVICES'] === '1' ? requireServer : resolveServer;
  const finding = [
    find(postgres, 'TEST_DATABASE_URL', requireServer),
    find(redis, 'TEST_REDIS_URL', resolveOther),
    find(rabbitmq, 'TEST_AMQP_URL', resolveOther),
  ] as const;
  try {
    const [database, cache, broker] = await Promise.all(finding);
    const cluster = await createCluster(database.url);
    project.provide('cluster', cluster);
    project.provide('redis', provided(cache));
    project.provide('rabbitmq', provided(broker));
    announce([
      [postgres, database],
      [redis, cache],
      [rabbitmq, broker],
    ]);
    return async () => {
      try {
        await dropCluster(cluster);
      } finally {
        await stopFound(finding);
      }
    };
  } catch (error) {
    await stopFound(finding);
    throw error;
  }
}

const find = async <T>(service: Service, variable: string, resolve: Resolve<T>): Promise<T> =>
  await resolve(service, {
    url: process.env[variable],
    variable,
    directory: temporaryDirectory(service.name.toLowerCase()),
    forTests: true,
  });

/** Also of those that started after another one had failed. */
async function stopFound(finding: readonly Promise<Server | Absent>[]): Promise<void> {
  const settled = await Promise.allSettled(finding);
  const servers = settled.flatMap((result) =>
    result.status === 'fulfilled' && result.value.kind !== 'absent' ? [result.value] : [],
  );
  await Promise.all(servers.map(async (server) => await server.stop()));
}

const provided = (server: Server | Absent): MaybeServer =>
  server.kind === 'absent' ? { reason: server.reason } : { url: server.url };

function announce(found: readonly (readonly [Service, Server | Absent])[]): void {
  const lines = found.map(([{ name }, server]) =>
    server.kind === 'absent' ? `no ${name}, its tests are skipped: ${server.reason}` : server.description,
  );
  console.log(`Servers of this test run\n${lines.map((line) => `  ${line}`).join('\n')}\n`);
}
