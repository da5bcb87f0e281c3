import { randomBytes } from 'node:crypto';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import { type App, startApp } from '../app.ts';
import { bootstrapDatabase, issueKey, migrateDatabase } from '../database.ts';
import { postgres } from '../servers/postgres.ts';
import { requireServer } from '../servers/resolve.ts';
import { stateDirectory, temporaryDirectory } from '../servers/state-directory.ts';
import { newState } from '../state.ts';
import { onStopRequest } from '../stop-requests.ts';
import { type JobView, demoClient } from './client.ts';
import { type DemoReceiver, startDemoReceiver } from './receiver.ts';
import { SCENES, type Scene } from './scenario.ts';
import { createTable } from './table.ts';

const REFRESH_MS = 200;
const LONGEST_MS = 60_000;

/** A service of its own, on a database that is thrown away. */
async function startService() {
  const state = newState();
  const server = await requireServer(postgres, {
    containers: 'fallback',
    directory: temporaryDirectory('demo'),
    durable: false,
  });
  const database = await bootstrapDatabase(server.url, state, false);
  await migrateDatabase(database);
  const { key, organizationId } = await issueKey(database);
  const log = join(stateDirectory(), 'demo.log');
  const app = startApp(
    {
      DRAGONFLY_ENV: 'dev',
      HOST: '127.0.0.1',
      PORT: '0',
      DRAGONFLY_METRICS_PORT: '0',
      DRAGONFLY_API_DATABASE_URL: database.api,
      DRAGONFLY_WORKER_DATABASE_URL: database.worker,
      DRAGONFLY_SHUTDOWN_DELAY: '0s',
      DRAGONFLY_RATE_LIMIT_AUTHENTICATED: '100000',
      DRAGONFLY_WORKER_CONCURRENCY: '1',
      DRAGONFLY_WEBHOOK_SECRET: state.webhookSecret,
      DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true',
    },
    openSync(log, 'w', 0o600),
  );
  const urls = await app.ready;
  if (!urls) throw new Error(`the service did not start; its log is ${log}`);
  return {
    client: demoClient(urls.api, key),
    secret: signingSecret(state.webhookSecret, organizationId),
    log,
    stop: async () => {
      await app.stop();
      await server.stop();
    },
  };
}
