import type { Bench } from './bench.ts';
import { ORIGIN } from './bench.ts';
import type { ServerName } from './rows.ts';
import { type Server, type Variables, startServer } from './server.ts';

const SERVICE = ['dist/main.js', 'api'];

/** Starts what a row compares, as soon as a row asks for it. */
export function servers(bench: Bench) {
  const started = new Map<ServerName, Promise<Server>>();
  let answer: Promise<string> | undefined;

  /** The peers serve from memory what the service says. */
  async function peer(file: string, further: Variables = {}): Promise<Server> {
    answer ??= get('service').then(async ({ url }) => await jobTypes(url, bench.key));
    return await startServer([`bench/peers/${file}.js`], {
      BENCH_ANSWER: await answer,
      BENCH_DATABASE_URL: bench.databaseUrl,
      BENCH_KEY: bench.key,
      BENCH_ORIGIN: ORIGIN,
      ...further,
    });
  }

  const starters: Readonly<Record<ServerName, () => Promise<Server>>> = {
    service: () => startServer(SERVICE, bench.service),
    'service with Redis': () =>
      startServer(SERVICE, { ...bench.service, DRAGONFLY_REDIS_URL: bench.redisUrl ?? '' }),
    'bare Fastify': () => peer('bare'),
    'bare Fastify again': () => peer('bare'),
    'usual plugins': () =>
      peer('stock', { BENCH_COLLECTOR: bench.service['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '' }),
    'usual plugins untraced': () => peer('stock'),
  };

  async function get(name: ServerName): Promise<Server> {
    const server = started.get(name) ?? starters[name]();
    started.set(name, server);
    return await server;
  }

  return {
    get,
    async stop(): Promise<void> {
      for (const server of started.values()) await (await server).stop();
    },
  };
}

async function jobTypes(url: string, key: string): Promise<string> {
  const response = await fetch(new URL('/v1/job-types', url), {
    headers: { authorization: `Bearer ${key}` },
  });
  if (!response.ok) throw new Error(`The service answered ${response.status}.`);
  return await response.text();
}
