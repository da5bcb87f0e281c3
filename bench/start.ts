import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../dev/servers/ports.ts';
import { redis } from '../dev/servers/redis.ts';
import { resolveServer } from '../dev/servers/resolve.ts';
import { temporaryDirectory } from '../dev/servers/state-directory.ts';
import { withScratchDatabase } from '../scripts/scratch-database.ts';
import { type Bar, report, rowOf } from './report.ts';
import { type Started, startOnce } from './start-once.ts';

const { values } = parseArgs({
  options: { json: { type: 'string' }, rounds: { type: 'string', default: '7' } },
});

const root = resolve(import.meta.dirname, '..');
const cache = temporaryDirectory('compile-cache');
const environment = {
  PATH: process.env['PATH'] ?? '',
  NODE_ENV: 'production',
  NODE_COMPILE_CACHE: cache,
  HOST: '127.0.0.1',
};

/** As the Dockerfile builds and warms. */
for (const script of ['build', 'warm-compile-cache']) {
  const { status } = spawnSync(process.execPath, [`scripts/${script}.ts`], {
    cwd: root,
    env: environment,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}

const counters = await resolveServer(redis, { directory: temporaryDirectory('redis') });
/** Production has to have Redis. */
const tier =
  counters.kind === 'absent'
    ? { DRAGONFLY_ENV: 'staging' }
    : {
        DRAGONFLY_ENV: 'prod',
        DRAGONFLY_REDIS_URL: counters.url,
        DRAGONFLY_METRICS_TOKEN: randomBytes(36).toString('base64'),
      };

/** The image's start command, with what a production cluster would set. */
async function startService(databaseUrl: string): Promise<Started> {
  const port = await freePort();
  return await startOnce(root, ['dist/main.js', 'api'], port, {
    ...environment,
    ...tier,
    PORT: String(port),
    DRAGONFLY_METRICS_PORT: '0',
    DRAGONFLY_SHUTDOWN_DELAY: '0s',
    DRAGONFLY_GIT_SHA: randomBytes(20).toString('hex'),
    DRAGONFLY_API_DATABASE_URL: databaseUrl,
  });
}

async function startBare(): Promise<Started> {
  const port = await freePort();
  return await startOnce(root, ['bench/bare-fastify.js'], port, { ...environment, PORT: String(port) });
}

const holds = await withScratchDatabase(async ({ api }) => {
  const ours: Started[] = [];
  const peers: Started[] = [];
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    ours.push(await startService(api));
    peers.push(await startBare());
  }
  // The first round fills the operating system's cache and, for the peer, the compile cache.
  const compare = (name: string, unit: keyof Started, bar: Bar) => {
    const [service, bare] = [ours, peers].map((all) => all.slice(1).map((started) => started[unit]));
    return rowOf(name, unit, service ?? [], ['bare Fastify', bare ?? []], bar);
  };
  return report(
    [
      compare('cold start of the built service', 'ms', { bound: 'value at most', must: 450, goal: 250 }),
      compare('cold start ÷ bare', 'ms', { bound: 'ratio at most', must: 3.5, goal: 2.2 }),
      compare('idle memory of the built service', 'MB', { bound: 'value at most', must: 110, goal: 90 }),
    ],
    values.json,
  );
});
if (counters.kind !== 'absent') await counters.stop();
rmSync(cache, { recursive: true });
process.exit(holds ? 0 : 1);
