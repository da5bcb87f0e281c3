import type { Resolve } from '#src/adapters/outbound/webhook/guarded-connector.ts';
import { receiver } from '#test/support/receiver.ts';
import { describe, expect, it, vi } from 'vitest';
import { answering, resolvingTo, sender, tcpServer } from './setup.ts';

/** First this machine, then the cloud's metadata. */
const rebinding = () =>
  vi
    .fn<Resolve>()
    .mockImplementationOnce(resolvingTo('127.0.0.1'))
    .mockImplementation(resolvingTo('169.254.169.254'));

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
