import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

export interface TcpProxy {
  /** The target's URL with this proxy in its place. */
  readonly url: string;
  /** What clients have sent so far, in pieces as they arrived. */
  readonly requests: number;
  /** Half-open: keeps every connection, passes nothing on, and accepts new ones that nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Closes every connection without a goodbye. */
  cut(): void;
  close(): Promise<void>;
}

/** A loopback proxy in front of a server, to break the connection between the two. */
export async function tcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let frozen = false;
  let requests = 0;
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    if (frozen) socket.pause();
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };

  const server = createServer((inbound) => {
    const outbound = connect(Number(port), hostname);
    for (const [from, to] of [
      [track(inbound), track(outbound)],
      [outbound, inbound],
    ] as const) {
      from.on('data', (chunk) => {
        if (from === inbound) requests += 1;
        to.write(chunk);
      });
      from.on('close', () => to.destroy());
      if (frozen) from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    get requests() {
      return requests;
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const socket of sockets) socket.resume();
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
