import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { freePort } from '../../dev/servers/ports.ts';
import { redis } from '../../dev/servers/redis.ts';
import { resolveServer } from '../../dev/servers/resolve.ts';
import { temporaryDirectory } from '../../dev/servers/state-directory.ts';
import { issueApiKey } from '../../src/composition/keys.ts';
import { withScratchDatabase } from '../../scripts/scratch-database.ts';
import { type Load, startLoad } from './load.ts';
import { leaveServerCore } from './pin.ts';
import type { Variables } from './server.ts';

export interface Bench {
  readonly load: Load;
  readonly databaseUrl: string;
  /** Undefined where there is no Redis. */
  readonly redisUrl: string | undefined;
  readonly key: string;
  /** The service as production configures it, every law on; limits that no load reaches. */
  readonly service: Variables;
}

export const ORIGIN = 'https://app.example.com';
const NO_LIMIT = '1000000000';

/** Everything that the compared servers and the load need, on the load's core, gone afterwards. */
export async function withBench<T>(work: (bench: Bench) => Promise<T>): Promise<T> {
  leaveServerCore();
  const collector = await startCollector();
  const counters = await resolveServer(redis, {
    directory: temporaryDirectory('redis'),
  });
  const load = startLoad();
  const secrets = mkdtempSync(join(tmpdir(), 'http-bench-'));
  const databaseUrlFile = join(secrets, 'database-url');
  try {
    return await withScratchDatabase(async ({ owner, api }) => {
      await createPeerTable(owner);
      const { key } = await issueApiKey({
        databaseUrl: owner,
        organization: 'bench',
        name: 'bench',
        role: 'admin',
        lifetimeMs: 3_600_000,
      });
      writeFileSync(databaseUrlFile, api);
      const service = {
        DRAGONFLY_ENV: 'staging',
        HOST: '127.0.0.1',
        PORT: '0',
        DRAGONFLY_METRICS_PORT: '0',
        DRAGONFLY_SHUTDOWN_DELAY: '0s',
        DRAGONFLY_GIT_SHA: randomBytes(20).toString('hex'),
        DRAGONFLY_API_DATABASE_URL_FILE: databaseUrlFile,
        DRAGONFLY_CORS_ORIGINS: ORIGIN,
        DRAGONFLY_RATE_LIMIT_AUTHENTICATED: NO_LIMIT,
        DRAGONFLY_RATE_LIMIT_ANONYMOUS: NO_LIMIT,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      };
      const redisUrl = counters.kind === 'absent' ? undefined : counters.url;
      return await work({ load, databaseUrl: owner, redisUrl, key, service });
    });
  } finally {
    load.stop();
    rmSync(secrets, { recursive: true });
    if (counters.kind !== 'absent') await counters.stop();
    collector.stop();
  }
}

/** Where the peer inserts and looks: what clients see of a job in one table, with a primary key and nothing else. */
async function createPeerTable(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(`
      create schema bench;
      create table bench.job (
        id uuid primary key default gen_random_uuid(), type text not null, status text not null default 'pending',
        priority smallint not null default 0, attempts smallint not null default 0, max_attempts smallint not null default 5,
        created_at timestamptz not null default now(), run_at timestamptz not null default now(), started_at timestamptz,
        finished_at timestamptz, last_error text, result jsonb, trace_id text not null default md5(random()::text),
        payload jsonb not null)`);
  } finally {
    await client.end();
  }
}

/** Takes spans and forgets them. */
async function startCollector() {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
