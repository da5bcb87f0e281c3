import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { type AddressInfo, type Socket, createServer, isIP } from 'node:net';
import type { Resolve } from '#src/adapters/outbound/webhook/guarded-connector.ts';
import { type WebhookSenderOptions, createWebhookSender } from '#src/adapters/outbound/webhook/sender.ts';
import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import type { WebhookAnswer, WebhookRequest } from '#src/application/jobs/ports.ts';
import { JobAborted } from '#src/application/worker/job-aborted.ts';
import { receiver } from '#test/support/receiver.ts';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

const MASTER = 'current-master-secret-of-48-characters-in-all-xyz';
const PREVIOUS = 'previous-master-secret-of-48-characters-all-xyz';
const ACME = '0190d6f8-0000-7000-8000-00000000000a';
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

type Send = (url: string, request?: Partial<WebhookRequest>) => Promise<WebhookAnswer>;

/** A sender until the test ends, as in development unless told otherwise. */
function sender(options: Partial<WebhookSenderOptions> = {}): Send {
  const webhooks = createWebhookSender({
    secrets: [MASTER],
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

const answering =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(status, headers).end();
  };

/** A resolver with always the same answer. */
const resolvingTo =
  (...addresses: string[]): Resolve =>
  async () =>
    addresses.map((address) => ({ address, family: isIP(address) }));

const failingToResolve: Resolve = async () => {
  throw Object.assign(new Error('getaddrinfo ENOTFOUND gone.example'), { code: 'ENOTFOUND' });
};

const neverResolving: Resolve = async () => await new Promise(() => {});

/** First this machine, then the cloud's metadata. */
const rebinding = () =>
  vi
    .fn<Resolve>()
    .mockImplementationOnce(resolvingTo('127.0.0.1'))
    .mockImplementation(resolvingTo('169.254.169.254'));

function abortedSoon(reason: Error): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => {
    controller.abort(reason);
  }, 20);
  return controller.signal;
}

/** What came of it, which must not take long. */
const soon = async (send: Promise<unknown>): Promise<unknown> => {
  const startedAt = performance.now();
  const end = await send.catch((error: unknown) => error);
  expect(performance.now() - startedAt).toBeLessThan(3000);
  return end;
};

describe('a webhook', () => {
  it('is signed as the specification says, and carries the trace of its job [Q-7]', async () => {
    const { url, received } = await receiver();
    expect(await sender()(`${url}/in?a=b`, { headers: { 'x-tenant': 'acme' } })).toEqual({ status: 204 });

    const [request] = received;
    expect(request?.path).toBe('/in?a=b');
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'dragonfly',
      'webhook-id': '0190d6f8-0000-7000-8000-000000000001',
      'x-tenant': 'acme',
      traceparent: TRACEPARENT,
    });
    const secret = new Webhook(signingSecret(MASTER, ACME));
    expect(secret.verify(request?.body ?? '', request?.headers as Record<string, string>)).toEqual({
      event: 'paid',
      amount: 7,
    });
  });

  it('is signed with both secrets while the master secret is being rotated', async () => {
    const { url, received } = await receiver();
    await sender({ secrets: [MASTER, PREVIOUS] })(url);
    const [request] = received;
    for (const master of [MASTER, PREVIOUS]) {
      const secret = new Webhook(signingSecret(master, ACME));
      expect(secret.verify(request?.body ?? '', request?.headers as Record<string, string>)).toBeDefined();
    }
  });

  it('is sent once: no answer is repeated, no redirect followed', async () => {
    const { url, received } = await receiver(
      answering(307, { location: 'http://169.254.169.254/latest/meta-data/' }),
    );
    expect(await sender()(url)).toEqual({ status: 307 });
    expect(received).toHaveLength(1);
  });

  it.each([
    ['in seconds', (): string => '7', 7, 7],
    ['as a date', (): string => new Date(Date.now() + 60_000).toUTCString(), 57, 60],
  ])('hands on how long the receiver wants to be left alone, %s', async (_form, header, least, most) => {
    const { url } = await receiver((request, response) => {
      answering(429, { 'retry-after': header() })(request, response);
    });
    const { status, retryAfterSeconds } = await sender()(url);
    expect(status).toBe(429);
    expect(retryAfterSeconds).toBeGreaterThanOrEqual(least);
    expect(retryAfterSeconds).toBeLessThanOrEqual(most);
  });

  it('uses connections again', async () => {
    const { url, ports } = await receiverOfConnections();
    const send = sender();
    for (let n = 0; n < 10; n += 1) await send(url);
    expect(new Set(ports).size).toBeLessThan(4);
  });
});

describe('[ARC-7] a webhook ends in time when the receiver', () => {
  it('says nothing', async () => {
    const { url } = await receiver(() => {});
    expect(await soon(sender({ connectTimeoutMs: 10_000 })(url))).toMatchObject({
      name: 'NoAnswer',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ gave no answer\.$/) as string,
    });
  });

  it('drips its headers', async () => {
    const url = await tcpServer((socket) => {
      const timer = setInterval(() => socket.write('x'), 100);
      socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
      socket.on('close', () => {
        clearInterval(timer);
      });
    });
    expect(await soon(sender()(url))).toMatchObject({ name: 'NoAnswer' });
  });

  it('drips its body: the status has come, and it counts', async () => {
    const { url } = await receiver((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 50);
      response.on('close', () => {
        clearInterval(timer);
      });
    });
    expect(await soon(sender({ responseTimeoutMs: 10_000 })(url))).toEqual({ status: 200 });
  });

  it('sends a body without an end, which is not read to it', async () => {
    let sent = 0;
    const { url } = await receiver((_request, response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        if (response.destroyed) return;
        sent += chunk.length;
        if (response.write(chunk)) setImmediate(more);
      };
      response.on('drain', more);
      more();
    });
    expect(await soon(sender()(url))).toEqual({ status: 200 });
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  it('leaves so many others waiting that there is no connection for this one', async () => {
    const { url } = await receiver(() => {});
    const send = sender({ connectTimeoutMs: 200, responseTimeoutMs: 1000 });
    const ends = await Promise.all(Array.from({ length: 50 }, async () => await soon(send(url))));
    expect(ends).toEqual(ends.map(() => expect.objectContaining({ name: 'NoAnswer' }) as unknown));
  });

  it('hangs up', async () => {
    const { url } = await receiver((request) => {
      request.socket.resetAndDestroy();
    });
    expect(await soon(sender()(url))).toMatchObject({ name: 'NoAnswer' });
  });

  it('is not there', async () => {
    const url = await tcpServer(() => {}, { closed: true });
    expect(await soon(sender()(url))).toMatchObject({ name: 'NoAnswer', cause: { code: 'ECONNREFUSED' } });
  });

  it('has a name that does not exist', async () => {
    expect(await soon(sender({ resolve: failingToResolve })('http://gone.example'))).toMatchObject({
      name: 'NoAnswer',
      cause: { code: 'ENOTFOUND' },
    });
  });

  it('has a name server that says nothing', async () => {
    expect(await soon(sender({ resolve: neverResolving })('http://slow.example'))).toMatchObject({
      name: 'NoAnswer',
    });
  });

  it('is still silent when the job is aborted, and that is not held against the receiver', async () => {
    const { url } = await receiver(() => {});
    const send = sender();
    for (let n = 0; n < 8; n += 1) {
      const signal = abortedSoon(new JobAborted('drain'));
      expect(await soon(send(url, { signal }))).toMatchObject({ name: 'JobAborted' });
    }
  });

  it('is still silent at the deadline of the job, which is held against the receiver', async () => {
    const { url } = await receiver(() => {});
    const send = sender({ responseTimeoutMs: 60_000 });
    for (let n = 0; n < 5; n += 1) {
      const signal = abortedSoon(new Error('The handler did not end in time.'));
      expect(await soon(send(url, { signal }))).toMatchObject({ name: 'NoAnswer' });
    }
    expect(await soon(send(url))).toMatchObject({ name: 'NotAttempted' });
  });
});

describe('[SEC-15] a webhook never goes to', () => {
  const refused = { name: 'PermanentFailure' };

  it.each([
    'http://127.0.0.1:PORT/',
    'http://localhost:PORT/',
    'http://[::1]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://2130706433:PORT/',
    'http://0x7f000001:PORT/',
    'http://0177.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://127.0.0.1.:PORT/',
    'http://①②⑦.0.0.1:PORT/',
    'http://0.0.0.0:PORT/',
  ])('this machine in production, written as %s', async (url) => {
    const { port, received } = await receiver();
    await expect(sender({ allowLoopback: false })(url.replace('PORT', String(port)))).rejects.toMatchObject(
      refused,
    );
    expect(received).toEqual([]);
  });

  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://10.0.0.1/',
    'http://192.168.0.1/',
    'http://[fd00:ec2::254]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'https://172.16.0.1/',
  ])('%s, not even in development', async (url) => {
    await expect(sender()(url)).rejects.toMatchObject(refused);
  });

  it('a host that resolves to a private address, and does not say to which', async () => {
    await expect(
      sender({ resolve: resolvingTo('10.11.12.13') })('https://inside.example/'),
    ).rejects.toMatchObject({
      ...refused,
      message: 'Webhooks are delivered to public addresses only, and inside.example is not at one.',
    });
  });

  it('a host with one private address among public ones', async () => {
    await expect(
      sender({ resolve: resolvingTo('93.184.215.14', 'fd00::1') })('https://half.example/'),
    ).rejects.toMatchObject(refused);
  });

  it('an address that was not checked: a name is resolved once a connection, and the answer is dialled', async () => {
    const { port, received } = await receiver();
    const resolve = rebinding();
    const send = sender({ resolve });
    const url = `http://rebinding.example:${port}/`;
    expect(await send(url)).toEqual({ status: 204 });
    expect(resolve).toHaveBeenCalledExactlyOnceWith('rebinding.example');
    expect(received).toMatchObject([{ headers: { host: `rebinding.example:${port}` } }]);
  });

  it('another address on the next connection without another check', async () => {
    const { port, received } = await receiver(answering(204, { connection: 'close' }));
    const resolve = rebinding();
    const send = sender({ resolve });
    const url = `http://rebinding.example:${port}/`;
    await send(url);
    await expect(send(url)).rejects.toMatchObject(refused);
    expect(received).toHaveLength(1);
  });

  it('a TLS server under another name than the one of the URL', async () => {
    const hellos: Buffer[] = [];
    const url = await tcpServer((socket) => {
      socket.once('data', (hello) => {
        hellos.push(hello);
        socket.destroy();
      });
    });
    const resolve = resolvingTo('127.0.0.1');
    const { port } = new URL(url);
    await expect(sender({ resolve })(`https://hooks.example:${port}/`)).rejects.toMatchObject({
      name: 'NoAnswer',
    });
    // The ClientHello of TLS names the host in the clear (SNI, RFC 6066).
    expect(hellos[0]?.includes('hooks.example')).toBe(true);
    expect(hellos[0]?.includes('http/1.1')).toBe(true);
  });
});

describe('[ARC-7] the circuit of a host', () => {
  it('opens after five failures in a row, says for how long, and lets one delivery try again', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    let status = 503;
    const { url, received } = await receiver((request, response) => {
      answering(status)(request, response);
    });
    const send = sender();
    for (let n = 0; n < 5; n += 1) expect(await send(url)).toEqual({ status: 503 });

    vi.setSystemTime(Date.now() + 10_000);
    await expect(send(url)).rejects.toMatchObject({
      name: 'NotAttempted',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ failed 5 times in a row/) as string,
      afterSeconds: 20,
    });
    expect(received).toHaveLength(5);

    vi.setSystemTime(Date.now() + 20_000);
    expect(await send(url)).toEqual({ status: 503 });
    await expect(send(url)).rejects.toMatchObject({ name: 'NotAttempted', afterSeconds: 30 });
    expect(received).toHaveLength(6);

    vi.setSystemTime(Date.now() + 30_000);
    status = 204;
    const [probe, waiting] = await Promise.allSettled([send(url), send(url)]);
    expect(probe).toMatchObject({ status: 'fulfilled', value: { status: 204 } });
    expect(waiting).toMatchObject({ status: 'rejected', reason: { name: 'NotAttempted' } });
    expect(await send(url)).toEqual({ status: 204 });
  });

  it('opens also when there is no answer, and leaves other hosts alone', async () => {
    const gone = await tcpServer(() => {}, { closed: true });
    const { url } = await receiver();
    const send = sender();
    for (let n = 0; n < 5; n += 1) await expect(send(gone)).rejects.toMatchObject({ name: 'NoAnswer' });
    await expect(send(gone)).rejects.toMatchObject({ name: 'NotAttempted' });
    expect(await send(url)).toEqual({ status: 204 });
  });

  it('stays closed for what is not the host’s fault, and after a success in between', async () => {
    const statuses = [500, 500, 500, 500, 200, 500, 500, 500, 500, 404, 429, 204];
    const { url, received } = await receiver((request, response) => {
      answering(statuses[received.length - 1] ?? 204)(request, response);
    });
    const send = sender();
    for (const status of statuses) expect(await send(url)).toMatchObject({ status });
    for (let n = 0; n < 6; n += 1)
      await expect(send('http://10.0.0.1/')).rejects.toMatchObject({ name: 'PermanentFailure' });
  });
});

/** A receiver that notes the client's port of each request. */
async function receiverOfConnections() {
  const ports: (number | undefined)[] = [];
  const { url } = await receiver((request, response) => {
    ports.push(request.socket.remotePort);
    response.end('thank you');
  });
  return { url, ports };
}

/** A server of bytes until the test ends, or a port on which nobody listens. */
async function tcpServer(onConnection: (socket: Socket) => void, { closed = false } = {}): Promise<string> {
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
