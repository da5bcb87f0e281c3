import { type IncomingHttpHeaders, createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll } from 'vitest';

/** An answer on its way back, to be changed in place. */
export interface PassingAnswer {
  status: number;
  headers: Record<string, string | undefined>;
  body: string;
  delayMs: number;
}

export interface PassedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export type Break = (answer: PassingAnswer, request: PassedRequest) => void;

export interface BreakingProxy {
  readonly url: string;
  readonly requests: readonly PassedRequest[];
  /** From now on; by nothing, if none is given. */
  breakBy(change?: Break): void;
}

const OF_THE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'host',
]);

const untouched: Break = () => {};

/** Stands before a service on loopback, as an ingress would, and spoils its answers. */
export async function breakingProxy(target: string): Promise<BreakingProxy> {
  let spoil = untouched;
  const requests: PassedRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const { method = 'GET', url: path = '/', headers } = incoming;
      const passed = { method, path, headers };
      requests.push(passed);
      const body = await buffer(incoming);
      const answer = await request(new URL(path, target), {
        method: method as 'GET',
        headers: withoutConnection(headers),
        ...(body.length > 0 && { body }),
      });
      const passing = {
        status: answer.statusCode,
        headers: withoutConnection(answer.headers),
        body: await text(answer.body),
        delayMs: 0,
      };
      spoil(passing, passed);
      await sleep(passing.delayMs);
      for (const [name, value] of Object.entries(passing.headers))
        if (value !== undefined) outgoing.setHeader(name, value);
      outgoing.writeHead(passing.status).end(passing.body);
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    breakBy(change = untouched) {
      spoil = change;
    },
  };
}

const withoutConnection = (headers: IncomingHttpHeaders): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !OF_THE_CONNECTION.has(name))
      .map(([name, value]) => [name, [value].flat().join(', ')]),
  );
