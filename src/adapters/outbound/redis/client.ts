import type { DependencyCheck } from '#src/application/health/readiness.ts';
import { Redis } from 'ioredis';

/** No request waits longer for Redis; the limiter counts locally instead. */
const COMMAND_TIMEOUT_MS = 50;
const CONNECT_TIMEOUT_MS = 1000;
const LONGEST_RECONNECT_MS = 2000;

/** A connection that fails at once while Redis is away, rather than queue commands for it. */
export function openRedis(url: string, onError: (error: Error) => void): Redis {
  const client = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    // A silent connection is given up at once, so that no command waits for it while it is opened anew in the background.
    socketTimeout: COMMAND_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 100, LONGEST_RECONNECT_MS),
  });
  client.on('error', onError);
  return client;
}

/** Soft: without Redis the replica counts for itself, it still serves (AV-2). */
export const redisCheck = (client: Redis): DependencyCheck => ({
  name: 'redis',
  kind: 'soft',
  async check() {
    await client.ping();
  },
});
