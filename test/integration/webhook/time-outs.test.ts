import type { Resolve } from '#src/adapters/outbound/webhook/guarded-connector.ts';
import { JobAborted } from '#src/application/worker/job-aborted.ts';
import { receiver } from '#test/support/receiver.ts';
import { describe, expect, it } from 'vitest';
import { sender, tcpServer } from './setup.ts';

const failingToResolve: Resolve = async () => {
  throw Object.assign(new Error('getaddrinfo ENOTFOUND gone.example'), { code: 'ENOTFOUND' });
};

const neverResolving: Resolve = async () => await new Promise(() => {});

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
