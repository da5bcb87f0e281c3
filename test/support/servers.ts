import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { beforeAll, describe, inject } from 'vitest';
import type { Cluster } from './cluster.ts';

/** A server that may be missing: its URL, or why there is none. */
export type MaybeServer = { readonly url: string } | { readonly reason: string };

declare module 'vitest' {
  interface ProvidedContext {
    /** From the global set-up, which starts the servers once for all test files. */
    cluster: Cluster;
    redis: MaybeServer;
    rabbitmq: MaybeServer;
  }
}

/** Tests that need Redis. Reported as skipped, with the reason, where there is none. Keys are shared with other files. */
export function describeWithRedis(name: string, define: (url: string) => void): void {
  describeWith(name, inject('redis'), define);
}

/** Tests that need RabbitMQ, which may still be starting when the first of them runs. Queues are shared with other files. */
export function describeWithRabbitmq(name: string, define: (url: string) => void): void {
  describeWith(name, inject('rabbitmq'), (url) => {
    beforeAll(async () => await untilConnected(url), 60_000);
    define(url);
  });
}

function describeWith(name: string, server: MaybeServer, define: (url: string) => void): void {
  const [url, note] = 'url' in server ? [server.url, ''] : ['', ` (skipped: ${server.reason})`];
  describe.skipIf('reason' in server)(`${name}${note}`, () => {
    define(url);
  });
}

async function untilConnected(url: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    try {
      await (await connect(url)).close();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
