import type { TLSSocket } from 'node:tls';
import type { RedisFacts } from '#src/application/checks/facts.ts';
import { Redis } from 'ioredis';

const CONNECT_TIMEOUT_MS = 2000;

/** @throws Error when it does not answer */
export async function readRedisFacts(url: string): Promise<RedisFacts> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: () => null,
  });
  /** The commands only say that there is no connection. */
  let reason: Error | undefined;
  client.on('error', (error: Error) => {
    reason = error;
  });
  try {
    await client.connect();
    const info = fieldsOf(await client.info());
    const asked = performance.now();
    const askedMs = Date.now();
    const [seconds = Number.NaN, microseconds = 0] = (await client.time()).map(Number);
    const latencyMs = performance.now() - asked;
    const socket = (client as unknown as { stream: Partial<TLSSocket> }).stream;
    const until = socket.getPeerCertificate?.().valid_to;
    return {
      version: info.get('redis_version') ?? 'unknown',
      latencyMs,
      maxmemoryPolicy: info.get('maxmemory_policy') ?? 'unknown',
      evictedKeys: Number(info.get('evicted_keys') ?? 0),
      clockSkewSeconds: seconds + microseconds / 1e6 - (askedMs + latencyMs / 2) / 1000,
      certificateExpiresAt: until === undefined ? null : Date.parse(until),
    };
  } catch (error) {
    throw reason ?? error;
  } finally {
    client.disconnect();
  }
}

const fieldsOf = (info: string): ReadonlyMap<string, string> =>
  new Map(
    info.split('\r\n').flatMap((line): [string, string][] => {
      const [name = '', value] = line.split(':');
      return value === undefined ? [] : [[name, value]];
    }),
  );
