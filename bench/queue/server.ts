import { rmSync } from 'node:fs';
import { Client } from 'pg';
import { findPgBouncer, startPgBouncer } from '../../dev/servers/pgbouncer.ts';
import { postgres } from '../../dev/servers/postgres.ts';
import { requireServer } from '../../dev/servers/resolve.ts';
import { temporaryDirectory } from '../../dev/servers/state-directory.ts';
import { type Engine, type EngineName, loadEngine } from './engine.ts';

export interface Bench {
  /** A fresh database with the engine's tables, dropped afterwards. */
  withDatabase<T>(name: EngineName, work: (database: Database) => Promise<T>): Promise<T>;
  /** Of the whole server, until it ends. */
  configure(setting: string): Promise<void>;
}

export interface Database {
  readonly name: EngineName;
  readonly url: string;
  readonly engine: Engine;
  readonly client: Client;
}

const POOLER = 'BENCH_POOLER';

/** @throws Error when `withServer` started none */
export function poolerOf(environment: Readonly<Record<string, string | undefined>>): string {
  const host = environment[POOLER];
  if (host === undefined) throw new Error('There is no pooler in this run.');
  return host;
}

/** For the processes of the bench, with as many connections to a database as PgBouncer has by default. */
async function startPooler(server: string) {
  const program = findPgBouncer();
  if (program === undefined) throw new Error('There is no pgbouncer: install Debian’s package `pgbouncer`.');
  const directory = temporaryDirectory('pgbouncer');
  const pooler = await startPgBouncer(program, { directory, users: [server], poolSize: 20 });
  process.env[POOLER] = new URL(pooler.through(server)).host;
  return pooler;
}

/** PostgreSQL with its own defaults, on loopback, gone afterwards; a PgBouncer before it if it is wanted. */
export async function withServer<T>(pooled: boolean, work: (bench: Bench) => Promise<T>): Promise<T> {
  const directory = temporaryDirectory('queue-bench');
  const server = await requireServer(postgres, { directory });
  const pooler = pooled ? await startPooler(server.url) : undefined;
  const admin = await connect(server.url);
  let databases = 0;
  try {
    return await work({
      async configure(setting) {
        await admin.query(`alter system set ${setting}`);
        await admin.query('select pg_reload_conf()');
      },
      async withDatabase(name, work) {
        const database = `bench_${(databases += 1)}`;
        await admin.query(`create database ${database}`);
        const url = new URL(server.url);
        url.pathname = database;
        const engine = await loadEngine(name);
        await engine.install(url.href);
        const client = await connect(url.href);
        try {
          return await work({ name, url: url.href, engine, client });
        } finally {
          await client.end();
          await admin.query(`drop database ${database} with (force)`);
          await admin.query('checkpoint');
        }
      },
    });
  } finally {
    await admin.end();
    await pooler?.stop();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}
