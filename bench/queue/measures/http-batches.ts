import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { issueApiKey } from '../../../src/composition/keys.ts';
import { startLoad } from '../../http/load.ts';
import { type EngineName, payloadsOf } from '../engine.ts';
import { poolerOf } from '../server.ts';
import type { Measure } from './measure.ts';

const BATCH = 100;
const CONNECTIONS = 10;
const WARM_UP_SECONDS = 2;
const NO_LIMIT = '1000000000';

/** Jobs a second that one API process takes in batches of a hundred, from ten connections that are kept. */
export const httpBatches: Measure = async (bench, name, { enqueueSeconds }) =>
  await bench.withDatabase(name, async ({ url }) => {
    const { key } = await issueApiKey({
      databaseUrl: url,
      organization: 'bench',
      name: 'bench',
      role: 'admin',
      lifetimeMs: 3_600_000,
    });
    const api = await startApi(name, url);
    const load = startLoad();
    try {
      const slice = { url: api.url, request: batchRequest(key), connections: CONNECTIONS };
      await load.saturated({ ...slice, seconds: WARM_UP_SECONDS });
      const { perSecond } = await load.saturated({ ...slice, seconds: enqueueSeconds });
      return Math.round(perSecond * BATCH);
    } finally {
      load.stop();
      await api.stop();
    }
  });

/** The payload of the jobs by SQL is here the body of a webhook. */
const batchRequest = (key: string) => ({
  method: 'POST' as const,
  path: '/v1/jobs/batch',
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({
    jobs: payloadsOf(0, BATCH).map((body) => ({
      type: 'webhook.deliver',
      payload: { url: 'https://receiver.example.com/hooks', body },
    })),
  }),
});

/** The service's own, as in staging: it logs, counts, and limits what no load reaches. It ends with this process. */
async function startApi(name: EngineName, databaseUrl: string) {
  const url = new URL(databaseUrl);
  const pooler = name === 'pgbouncer' ? poolerOf(process.env) : undefined;
  if (pooler !== undefined) url.host = pooler;
  const child = fork(resolve(import.meta.dirname, '../../../src/main.ts'), ['api'], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: {
      NODE_ENV: 'production',
      DRAGONFLY_ENV: 'staging',
      DRAGONFLY_GIT_SHA: randomBytes(20).toString('hex'),
      DRAGONFLY_API_DATABASE_URL: url.href,
      DRAGONFLY_DATABASE_POOLER: pooler === undefined ? 'none' : 'transaction',
      HOST: '127.0.0.1',
      PORT: '0',
      DRAGONFLY_METRICS_PORT: '0',
      DRAGONFLY_SHUTDOWN_DELAY: '0s',
      DRAGONFLY_RATE_LIMIT_AUTHENTICATED: NO_LIMIT,
      DRAGONFLY_RATE_LIMIT_ANONYMOUS: NO_LIMIT,
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [{ api: string } | number];
  if (typeof message !== 'object') throw new Error('The API ended before it was ready.');
  return {
    url: message.api,
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
