import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import type { Scene } from './scenario.ts';

export interface Delivery {
  readonly path: string;
  readonly traceId: string;
}

export interface DemoReceiver {
  readonly url: string;
  /** In the order of their arrival, each with a good signature. */
  readonly deliveries: readonly Delivery[];
  stop(): void;
}

/** A receiver of webhooks on loopback. It verifies with the organisation's secret and answers as the scenes say. */
export async function startDemoReceiver(scenes: readonly Scene[], secret: string): Promise<DemoReceiver> {
  const webhook = new Webhook(secret);
  const deliveries: Delivery[] = [];

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const headers = request.headers as Record<string, string>;
    const body = await text(request);
    try {
      webhook.verify(body, headers);
    } catch {
      response.writeHead(401).end();
      return;
    }
    const answers = scenes.find((scene) => scene.path === path)?.answers ?? [];
    const earlier = deliveries.filter((delivery) => delivery.path === path).length;
    deliveries.push({ path, traceId: headers['traceparent']?.split('-')[1] ?? '' });
    const { status, afterMs = 0 } = answers[Math.min(earlier, answers.length - 1)] ?? { status: 404 };
    await sleep(afterMs);
    response.writeHead(status).end();
  }

  const server = createServer((request, response) => void receive(request, response));
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', () => listening.resolve());
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    deliveries,
    stop: () => server.close().closeAllConnections(),
  };
}
