import type { QueueEvents } from '#src/application/worker/ports.ts';
import { Client } from 'pg';
import { connectionConfig } from './pool.ts';
import { READY_CHANNEL } from './worker-wake-up.ts';

export interface QueueEventsOptions {
  /** Not through a transaction pooler: LISTEN belongs to a session. */
  readonly url: string;
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly onError: (error: unknown) => void;
}

const CANCELLED = 'ops_job_cancelled';

/** Without a goodbye: a half-open connection would never answer it, and this one has nothing left to say. */
const close = (client: Client): void => {
  client.connection.stream.destroy();
};

/**
 * NOTIFY on a connection of its own. A silent connection looks like a quiet queue, so it is probed; a broken one is
 * opened again at the next probe, and what was missed meanwhile is found by looking.
 */
export function postgresQueueEvents({
  url,
  probeIntervalMs,
  probeTimeoutMs,
  onError,
}: QueueEventsOptions): QueueEvents {
  let client: Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function open(handlers: Parameters<QueueEvents['start']>[0]): Promise<void> {
    const next = new Client(connectionConfig(url, 'dragonfly-listen', probeTimeoutMs));
    next.on('error', (error) => {
      if (client === next) drop(error);
    });
    next.on('notification', ({ channel, payload }) => {
      if (channel === READY_CHANNEL) handlers.onReady();
      else if (channel === CANCELLED && payload !== undefined) handlers.onCancelled(payload);
    });
    client = next;
    await next.connect();
    await next.query(`listen ${READY_CHANNEL}; listen ${CANCELLED}`);
    handlers.onReady();
  }

  function drop(error: unknown): void {
    const broken = client;
    client = undefined;
    if (stopped) return;
    onError(error);
    if (broken) close(broken);
  }

  async function probe(handlers: Parameters<QueueEvents['start']>[0]): Promise<void> {
    try {
      if (client) await client.query('select');
      else await open(handlers);
    } catch (error) {
      drop(error);
    }
    if (!stopped) timer = setTimeout(() => void probe(handlers), probeIntervalMs);
  }

  return {
    start(handlers) {
      void probe(handlers);
    },
    setIdle() {},
    stop() {
      stopped = true;
      clearTimeout(timer);
      const open = client;
      client = undefined;
      if (open) close(open);
    },
  };
}
