import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';
import { freePort } from '#dev/servers/ports.ts';

export interface TcpProxy {
  /** The target's URL with this proxy in its place. */
  readonly url: string;
  /** What clients have sent so far, in pieces as they arrived. */
  readonly requests: number;
  /** Connections that clients have opened so far. */
  readonly connections: number;
  /** Half-open: keeps every connection, passes nothing on, and accepts new ones that nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Passes on what the server sends only after so many milliseconds. */
  slow(ms: number): void;
  /** Closes every connection without a goodbye. */
  cut(): void;
  /** As if there were no server: every connection is cut, and new ones are refused until `open`. */
  close(): Promise<void>;
  open(): Promise<void>;
}

/** Below the ports that systems give away, so that a proxy's port is still free when it opens again. */
const choosePort = async (): Promise<number> => await freePort(randomInt(20_000, 30_000));

/** A loopback proxy in front of a server, to break the connection between the two. */
export async function tcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const sockets = new Set<Socket>();
  let frozen = false;
  let delayMs = 0;
  let requests = 0;
  let connections = 0;
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    if (frozen) socket.pause();
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };

  function cut(): void {
    for (const socket of sockets) socket.destroy();
  }

  const server = createServer((inbound) => {
    connections += 1;
    const outbound = connect(Number(targetPort), hostname);
    for (const [from, to] of [
      [track(inbound), track(outbound)],
      [outbound, inbound],
    ] as const) {
      from.on('data', (chunk) => {
        if (from === inbound) requests += 1;
        if (delayMs === 0 || from === inbound) to.write(chunk);
        else setTimeout(() => to.write(chunk), delayMs);
      });
      from.on('close', () => to.destroy());
      if (frozen) from.pause();
    }
  });
  const port = await choosePort();
  async function open(): Promise<void> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }
  await open();

  const url = new URL(target);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    get requests() {
      return requests;
    },
    get connections() {
      return connections;
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const socket of sockets) socket.resume();
    },
    slow(ms) {
      delayMs = ms;
    },
    cut,
    async close() {
      if (!server.listening) return;
      server.close();
      cut();
      await once(server, 'close');
    },
    open,
  };
}
