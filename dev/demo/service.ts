import { openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import { issueApiKey } from '#src/composition/keys.ts';
import { startApp } from '../app.ts';
import { type DatabaseUrls, bootstrapDatabase, migrateDatabase } from '../database.ts';
import { postgres } from '../servers/postgres.ts';
import { requireServer } from '../servers/resolve.ts';
import { stateDirectory, temporaryDirectory } from '../servers/state-directory.ts';
import { newState } from '../state.ts';

export interface DemoService {
  readonly apiUrl: string;
  readonly key: string;
  /** What the organisation's receivers verify with. */
  readonly signingSecret: string;
  /** Where its log lines go. */
  readonly log: string;
  stop(): Promise<void>;
}

/** API and worker in a process of their own, on a database that is thrown away. One job at a time, so that order shows. */
export async function startDemoService(): Promise<DemoService> {
  const state = newState();
  const directory = temporaryDirectory('demo');
  const server = await requireServer(postgres, { directory });
  const database = await bootstrapDatabase(server.url, state, false);
  await migrateDatabase(database);
  const { key, organizationId } = await issueApiKey({
    databaseUrl: database.owner,
    organization: 'demo',
    name: 'demo',
    role: 'admin',
    lifetimeMs: 3_600_000,
  });
  const log = join(stateDirectory(), 'demo.log');
  const app = startApp(environment(database, state.webhookSecret), openSync(log, 'w', 0o600));
  const urls = await app.ready;
  if (!urls) throw new Error(`The service did not start; its log is ${log}.`);
  return {
    apiUrl: urls.api,
    key,
    signingSecret: signingSecret(state.webhookSecret, organizationId),
    log,
    stop: async () => {
      await app.stop();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const environment = ({ api, worker }: DatabaseUrls, webhookSecret: string): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  DRAGONFLY_ENV: 'dev',
  HOST: '127.0.0.1',
  PORT: '0',
  DRAGONFLY_METRICS_PORT: '0',
  DRAGONFLY_API_DATABASE_URL: api,
  DRAGONFLY_WORKER_DATABASE_URL: worker,
  DRAGONFLY_SHUTDOWN_DELAY: '0s',
  DRAGONFLY_RATE_LIMIT_AUTHENTICATED: '100000',
  DRAGONFLY_WORKER_CONCURRENCY: '1',
  DRAGONFLY_WEBHOOK_SECRET: webhookSecret,
  DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true',
});
