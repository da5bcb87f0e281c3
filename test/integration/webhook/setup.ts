import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { type AddressInfo, type Socket, createServer, isIP } from 'node:net';
import type { Resolve } from '#src/adapters/outbound/webhook/guarded-connector.ts';
import { type WebhookSenderOptions, createWebhookSender } from '#src/adapters/outbound/webhook/sender.ts';
import type { WebhookAnswer, WebhookRequest } from '#src/application/jobs/ports.ts';
import { onTestFinished } from 'vitest';

export const MASTER = 'current-master-secret-of-48-characters-in-all-xyz';
export const ACME = '0190d6f8-0000-7000-8000-00000000000a';
export const STRANGER = '0190d6f8-0000-7000-8000-00000000000b';
export const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

type Send = (url: string, request?: Partial<WebhookRequest>) => Promise<WebhookAnswer>;

/** A sender until the test ends, as in development unless told otherwise. */
export function sender(options: Partial<WebhookSenderOptions> = {}): Send {
  const webhooks = createWebhookSender({
    secrets: () => [MASTER],
    allowLoopback: true,
    connectTimeoutMs: 500,
    responseTimeoutMs: 500,
    ...options,
  });
  onTestFinished(async () => {
    await webhooks.close();
  });
  return async (url, request) =>
    await webhooks.send({
      url,
      body: { event: 'paid', amount: 7 },
      headers: {},
      messageId: '0190d6f8-0000-7000-8000-000000000001',
      organizationId: ACME,
      traceparent: TRACEPARENT,
      signal: new AbortController().signal,
      ...request,
    });
}

export const answering =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(status, headers).end();
  };

/** A resolver with always the same answer. */
export const resolvingTo =
  (...addresses: string[]): Resolve =>
  async () =>
    addresses.map((address) => ({ address, family: isIP(address) }));

/** A server of bytes until the test ends, or a port on which nobody listens. */
export async function tcpServer(
  onConnection: (socket: Socket) => void,
  { closed = false } = {},
): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.close();
    await once(server, 'close');
  };
  if (closed) await close();
  else onTestFinished(close);
  return `http://127.0.0.1:${port}/`;
}
