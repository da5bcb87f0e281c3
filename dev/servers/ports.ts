import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOPBACK = '127.0.0.1';

/** The first free port of loopback from `preferred` upwards but not `except`, or any free one. */
export async function freePort(preferred = 0, except?: number): Promise<number> {
  for (let port = preferred; port <= 65_535; port += 1) {
    if (port === except) continue;
    const taken = await listenOnce(port);
    if (taken !== undefined) return taken;
  }
  return await freePort();
}

/** @throws Error when nothing accepts on that port of loopback in time, or `ended` resolves before. */
export async function waitForPort(port: number, timeoutMs: number, ended: Promise<void>): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  const gone = ended.then(() => 'gone' as const);
  while (!(await accepts(port))) {
    if (Date.now() > deadline) throw new Error(`Nothing accepts on port ${port} after ${timeoutMs} ms.`);
    if ((await Promise.race([gone, sleep(25)])) === 'gone') throw new Error('The server ended at once.');
  }
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
