import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '#dev/servers/embedded-postgres.ts';
import { freePort } from '#dev/servers/ports.ts';
import type { Server } from '#dev/servers/server.ts';
import { bootstrapRoles } from '#src/adapters/outbound/postgres/bootstrap-roles.ts';
import { migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';
import { Client, DatabaseError } from 'pg';

const ROLES = ['owner', 'api', 'worker', 'readonly'] as const;
const DATABASE = 'chaos';

export interface ChaosServer {
  readonly description: string;
  /** Each to the migrated database; `admin` is the superuser. */
  readonly urls: Readonly<Record<(typeof ROLES)[number] | 'admin', string>>;
  /** Ends it as a lost machine would, and starts it again. @returns when it was up again */
  restart(): Promise<number>;
  stop(): Promise<void>;
}

/** A PostgreSQL of this run's own, with its defaults: what it says is committed is on disk. */
export async function startServer(directory: string, maxConnections: number): Promise<ChaosServer> {
  // Below the ports that systems give away, so that it is still free at each restart.
  const port = await freePort(randomInt(20_000, 30_000));
  let server = await start(directory, port);
  const urls = await createDatabase(server.url, maxConnections);
  await server.stop();
  server = await start(directory, port);

  return {
    description: server.description,
    urls,
    async restart() {
      const [pid] = readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n');
      process.kill(Number(pid), 'SIGQUIT');
      await server.ended;
      server = await start(directory, port);
      return Date.now();
    },
    async stop() {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function start(directory: string, port: number): Promise<Server> {
  const server = await startEmbeddedPostgres({ directory, port });
  if (!server) throw new Error('There is no embedded PostgreSQL for this platform.');
  if (new URL(server.url).port === String(port)) return server;
  await server.stop();
  throw new Error(`Somebody took port ${port} while PostgreSQL was down.`);
}

async function createDatabase(adminUrl: string, maxConnections: number): Promise<ChaosServer['urls']> {
  const [owner, api, worker, readonly] = ROLES.map((name) => ({
    name,
    password: randomBytes(24).toString('base64url'),
  })) as [Role, Role, Role, Role];
  const as = ({ name, password }: Role): URL => {
    const url = new URL(adminUrl);
    [url.username, url.password, url.pathname] = [name, password, DATABASE];
    return url;
  };
  const admin = new URL(adminUrl);
  admin.pathname = DATABASE;
  const urls = {
    admin: admin.href,
    owner: as(owner).href,
    api: as(api).href,
    worker: as(worker).href,
    readonly: as(readonly).href,
  };
  await bootstrapRoles({ adminUrl, database: DATABASE, owner, api, worker, readonly });
  await migrateToLatest({
    databaseUrl: urls.owner,
    roles: { api: api.name, worker: worker.name, readonly: readonly.name },
  });
  await withClient(adminUrl, async (session) => {
    await session.query(`alter system set max_connections = ${maxConnections}`);
  });
  return urls;
}

/** Those for whom clients act, each known by its place. */
export const ORGANIZATIONS: readonly string[] = [randomUUID(), randomUUID()];

/** The URL of a client that acts for this organisation. */
export function actingFor(organization: number, url: string): string {
  const acting = new URL(url);
  acting.searchParams.set('options', `-c ops.organization_id=${ORGANIZATIONS[organization]}`);
  return acting.href;
}

interface Role {
  readonly name: string;
  readonly password: string;
}

/** The most that a session of the run waits for an answer: its statement may meet any of the faults. */
const STATEMENT_TIMEOUT_MS = 30_000;

/** A session that may break at any time: only its queries say so. */
export async function connect(url: string): Promise<Client> {
  const client = new Client({
    connectionString: url,
    application_name: 'chaos',
    connectionTimeoutMillis: 2000,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 1000,
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Connection, conflict, resources, operator, system: what the faults of a run bring about. */
const BROUGHT_ABOUT = /^(?:08|40|53|57|58)/;

/** Whether a session failed because of a fault; otherwise the run itself is wrong. */
export const isFault = (error: unknown): boolean =>
  !(error instanceof DatabaseError) || BROUGHT_ABOUT.test(error.code ?? '');

/** Without a goodbye, which a half-open connection would not answer. */
export function drop(client: Client): void {
  client.connection.stream.destroy();
}

export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    drop(client);
  }
}
