import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { TLSSocket, createSecureContext } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Certificate } from './certificate.ts';

/** PostgreSQL's SSLRequest has eight bytes; the server answers by `S`, and TLS begins. */
const SSL_REQUEST_BYTES = 8;

/**
 * A loopback server that speaks TLS with its clients and in the clear with the server of the URL, which may be PostgreSQL or Redis.
 * @returns `host:port`
 */
export async function tlsProxy(target: string, certificate: Certificate): Promise<string> {
  const { protocol, hostname, port } = new URL(target);
  const secureContext = createSecureContext(certificate);
  const sockets = new Set<Socket>();

  function encrypt(plain: Socket): void {
    const inbound = new TLSSocket(plain, { isServer: true, secureContext });
    const outbound = connect(Number(port), hostname);
    sockets.add(outbound);
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.pipe(to);
    }
  }

  const server = createServer((plain) => {
    sockets.add(plain.on('error', () => plain.destroy()));
    if (!protocol.startsWith('postgres')) {
      encrypt(plain);
      return;
    }
    plain.once('readable', () => {
      plain.read(SSL_REQUEST_BYTES);
      plain.write('S');
      encrypt(plain);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
