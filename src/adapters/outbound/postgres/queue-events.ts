import type { QueueEventHandlers, QueueEvents } from '#src/application/worker/ports.ts';
import { Client } from 'pg';
import { connectionConfig } from './pool.ts';

export interface QueueEventsOptions {
  /** As it is now. Never through a transaction pooler: LISTEN, and the lock of an idle worker, belong to a session. */
  readonly url: () => string;
  readonly workerId: string;
  /** What the worker serves. */
  readonly types: readonly string[];
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly onError: (error: unknown) => void;
}

/** Without a goodbye: a half-open connection would never answer it, and this one has nothing left to say. */
const close = (client: Client): void => {
  client.connection.stream.destroy();
};

/**
 * NOTIFY on a connection of its own, which also says whether the worker is idle. A silent connection looks like a quiet
 * queue, so it is probed; at a probe a broken one is opened again, and one of an earlier URL anew. What was missed meanwhile is
 * found by looking.
 */
export function postgresQueueEvents(options: QueueEventsOptions): QueueEvents {
  const { url, workerId, types, probeIntervalMs, probeTimeoutMs, onError } = options;
  let client: Client | undefined;
  let openedBy: string | undefined;
  /** The client, once it listens. */
  let listening: Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let idle = false;

  async function open(handlers: QueueEventHandlers): Promise<void> {
    openedBy = url();
    const next = new Client(connectionConfig(openedBy, 'dragonfly-listen', probeTimeoutMs));
    next.on('error', (error) => {
      if (client === next) drop(error);
    });
    next.on('notification', ({ channel, payload = '' }) => {
      CHANNELS[channel as Channel](payload, handlers, workerId);
    });
    client = next;
    await next.connect();
    await next.query(
      Object.keys(CHANNELS)
        .map((channel) => `listen ${channel}`)
        .join(';'),
    );
    listening = next;
    if (idle) await sayIdle(next);
    handlers.onReady();
  }

  async function reopen(handlers: QueueEventHandlers): Promise<void> {
    const before = client;
    client = listening = undefined;
    if (before) close(before);
    await open(handlers);
  }

  const sayIdle = async (to: Client): Promise<unknown> =>
    await to.query('select ops.set_idle($1, $2)', [types, idle]);

  function drop(error: unknown): void {
    const broken = client;
    client = listening = undefined;
    if (stopped) return;
    onError(error);
    if (broken) close(broken);
  }

  async function probe(handlers: QueueEventHandlers): Promise<void> {
    try {
      if (client && openedBy === url()) await client.query('select');
      else await reopen(handlers);
    } catch (error) {
      drop(error);
    }
    if (!stopped) timer = setTimeout(() => void probe(handlers), probeIntervalMs);
  }

  return {
    start(handlers) {
      void probe(handlers);
    },
    async setIdle(wanted) {
      if (wanted === idle) return;
      idle = wanted;
      try {
        if (listening) await sayIdle(listening);
      } catch (error) {
        drop(error);
      }
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      const open = client;
      client = undefined;
      if (open) close(open);
    },
  };
}

/** What is said on each channel; a payload's empty name stands for all. */
const CHANNELS = {
  ops_job_ready: (type: string, { onReady }: QueueEventHandlers): void => {
    onReady(type);
  },
  ops_job_cancelled: (leaseToken: string, { onCancelled }: QueueEventHandlers): void => {
    onCancelled(leaseToken);
  },
  ops_queue_paused: (payload: string, { onPaused }: QueueEventHandlers): void => {
    const [type, organizationId] = lastWordOf(payload);
    onPaused({ type: type || undefined, organizationId: organizationId || undefined });
  },
  ops_worker_command: (payload: string, { onCommand }: QueueEventHandlers, workerId: string): void => {
    const [id] = lastWordOf(payload);
    if (id === workerId) onCommand();
  },
};
type Channel = keyof typeof CHANNELS;

/** What comes before it may have spaces. */
const lastWordOf = (text: string): [before: string, word: string] => {
  const at = text.lastIndexOf(' ');
  return [text.slice(0, at), text.slice(at + 1)];
};
