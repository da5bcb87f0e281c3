import { once } from 'node:events';
import type { DependencyCheck } from '#src/application/health/readiness.ts';
import { Redis } from 'ioredis';

/** A connection that owes an answer for so long is given up and opened anew; who asked waits as long as it likes. */
const SILENCE_MS = 500;
const CONNECT_TIMEOUT_MS = 1000;
const LONGEST_RECONNECT_MS = 2000;

/** A connection that fails at once while Redis is away, rather than queue commands for it. */
export function openRedis(url: string, onError: (error: Error) => void): Redis {
  const client = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 100, LONGEST_RECONNECT_MS),
  });
  client.on('error', onError);
  return client;
}

export interface RenewableRedis {
  /** As it is now. */
  readonly client: () => Redis;
  /** Goes over to another URL once it is connected there. @throws Error when it cannot be; all stays as it is */
  renew(url: string): Promise<void>;
  close(): void;
}

/** A connection whose URL may change; what was asked before is still answered by the one before. */
export function renewableRedis(url: string, onError: (error: Error) => void): RenewableRedis {
  let client = openRedis(url, onError);
  return {
    client: () => client,
    async renew(nextUrl) {
      const next = openRedis(nextUrl, onError);
      try {
        await once(next, 'ready', { signal: AbortSignal.timeout(2 * CONNECT_TIMEOUT_MS) });
      } catch (error) {
        next.disconnect();
        throw error;
      }
      const before = client;
      client = next;
      await before.quit().catch(() => {
        before.disconnect(); // It was not connected, and owes no answer.
      });
    },
    close() {
      client.disconnect();
    },
  };
}

/** Soft: without Redis the replica counts for itself, it still serves (AV-2). */
export const redisCheck = (client: () => Redis): DependencyCheck => ({
  name: 'redis',
  kind: 'soft',
  async check() {
    await client().ping();
  },
});
