import { receiver } from '#test/support/receiver.ts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { STRANGER, answering, sender, tcpServer } from './setup.ts';

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

  it('[SEC-15] opens for the organisation whose deliveries failed, and for no other', async () => {
    let status = 500;
    const { url } = await receiver((request, response) => {
      answering(status)(request, response);
    });
    const send = sender();
    for (let n = 0; n < 5; n += 1) expect(await send(url)).toEqual({ status: 500 });
    await expect(send(url)).rejects.toMatchObject({ name: 'NotAttempted' });
    status = 204;
    expect(await send(url, { organizationId: STRANGER })).toEqual({ status: 204 });
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
