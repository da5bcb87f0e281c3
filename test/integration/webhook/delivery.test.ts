import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import { receiver } from '#test/support/receiver.ts';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { ACME, MASTER, TRACEPARENT, answering, sender } from './setup.ts';

const PREVIOUS = 'previous-master-secret-of-48-characters-all-xyz';

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
    await sender({ secrets: () => [MASTER, PREVIOUS] })(url);
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

/** A receiver that notes the client's port of each request. */
async function receiverOfConnections() {
  const ports: (number | undefined)[] = [];
  const { url } = await receiver((request, response) => {
    ports.push(request.socket.remotePort);
    response.end('thank you');
  });
  return { url, ports };
}
