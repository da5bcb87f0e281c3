import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Receiver {
  readonly url: string;
  stop(): void;
}

/** Something for the first webhook to arrive at: answers 204 and prints what came. */
export async function startReceiver(print: (line: string) => void): Promise<Receiver> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(204).end();
      const headers = ['webhook-id', 'traceparent'].map(
        (name) => `${name}: ${request.headers[name]?.toString()}`,
      );
      print(`a webhook arrived (${headers.join(', ')})`);
    });
  });
  await new Promise<Server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, stop: () => server.close().closeAllConnections() };
}
