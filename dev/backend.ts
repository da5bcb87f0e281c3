import { join } from 'node:path';
import type { DatabaseUrls } from './database.ts';
import { developerEnvironment } from './developer-environment.ts';
import { gitSha } from './git-sha.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { postgres } from './servers/postgres.ts';
import { redis } from './servers/redis.ts';
import { requireServer, resolveServer } from './servers/resolve.ts';
import type { Absent, Server } from './servers/server.ts';
import { loadState, saveState } from './state.ts';

export interface BackendOptions {
  /** The state folder. */
  readonly directory: string;
  /** Empties the database. */
  readonly reset: boolean;
  /** Allows a database that is not on this machine. */
  readonly remote: boolean;
}

/** Everything that the app needs, for as long as the supervisor lives. */
export interface Backend {
  readonly database: DatabaseUrls;
  readonly receiver: Receiver;
  /** The part of the app's environment that the developer does not decide. */
  readonly appVariables: Readonly<Record<string, string>>;
  /** What a reader would not expect. */
  readonly notes: readonly string[];
  /** Resolves when PostgreSQL has ended. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts or finds the servers, and makes the roles and the database.
 *
 * @throws Error when the given database is not on this machine and `remote` is not set
 */
export async function startBackend(options: BackendOptions, print: (line: string) => void): Promise<Backend> {
  const state = loadState(options.directory);
  const [server, cache, receiver, sha, { bootstrapDatabase }] = await Promise.all([
    startPostgres(options, state.databasePort),
    startRedis(options),
    startReceiver(print),
    gitSha(),
    import('./database.ts'),
  ]);
  const database = await bootstrapDatabase(server.url, state, options.reset);
  if (server.kind === 'embedded') {
    saveState(options.directory, { ...state, databasePort: Number(new URL(server.url).port) });
  }
  return {
    database,
    receiver,
    appVariables: {
      DRAGONFLY_GIT_SHA: sha,
      DRAGONFLY_API_DATABASE_URL: database.api,
      DRAGONFLY_WORKER_DATABASE_URL: database.worker,
      DRAGONFLY_WEBHOOK_SECRET: state.webhookSecret,
      ...(cache.kind === 'absent' ? {} : { DRAGONFLY_REDIS_URL: cache.url }),
    },
    notes: notesOn(server, cache),
    ended: server.ended,
    stop: async () => {
      receiver.stop();
      await Promise.all([server.stop(), cache.kind === 'absent' ? undefined : cache.stop()]);
    },
  };
}

async function startPostgres({ directory, remote }: BackendOptions, port: number): Promise<Server> {
  const variable = 'DRAGONFLY_ADMIN_DATABASE_URL';
  const url = developerEnvironment()[variable];
  if (url !== undefined && !remote) await refuseRemote(url);
  return await requireServer(postgres, {
    url,
    variable,
    directory: join(directory, 'postgres'),
    port,
  });
}

async function refuseRemote(url: string): Promise<void> {
  const { hostOf, isLoopback } = await import('./database.ts');
  const host = hostOf(url);
  if (isLoopback(host)) return;
  throw new Error(
    `DRAGONFLY_ADMIN_DATABASE_URL leads to ${host}, not to this machine. If you mean it: npm run dev -- --remote`,
  );
}

async function startRedis({ directory }: BackendOptions): Promise<Server | Absent> {
  const variable = 'DRAGONFLY_REDIS_URL';
  return await resolveServer(redis, {
    url: developerEnvironment()[variable],
    variable,
    noContainer: true,
    directory: join(directory, 'redis'),
  });
}

const notesOn = (server: Server, cache: Server | Absent): string[] => [
  ...(server.kind === 'container' ? ['the data ends with the container of the database'] : []),
  ...(cache.kind === 'absent' ? [`no Redis, so rate limits count in the app itself: ${cache.reason}`] : []),
];
