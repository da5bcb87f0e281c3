import { webhookSignature } from '#src/adapters/outbound/webhook/signature.ts';
import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';

const MASTER = 'b'.repeat(48);
const ACME = '0190d6f8-0000-7000-8000-00000000000a';
const message = {
  id: 'msg_1',
  timestampSeconds: Math.floor(Date.now() / 1000),
  body: '{"text":"größer 😀"}',
};
const headersOf = (signature: string) => ({
  'webhook-id': message.id,
  'webhook-timestamp': String(message.timestampSeconds),
  'webhook-signature': signature,
});

it('is 32 bytes in the format of Standard Webhooks', () => {
  expect(signingSecret(MASTER, ACME)).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
});

it('never changes for the same organisation, and differs by organisation and by master', () => {
  const known = signingSecret(MASTER, ACME);
  expect(known).toBe('whsec_o4OvVtgs1WQ1TWb/r/g7xSxL8mPXuYZ+DYHURlKUPBk=');
  const secrets = [
    known,
    signingSecret(MASTER, null),
    signingSecret(MASTER, `${ACME}x`),
    signingSecret('c', ACME),
  ];
  expect(new Set(secrets).size).toBe(4);
});

it('signs so that another implementation of the specification agrees', () => {
  const secret = signingSecret(MASTER, ACME);
  expect(new Webhook(secret).verify(message.body, headersOf(webhookSignature([secret], message)))).toEqual({
    text: 'größer 😀',
  });
});

it('signs with every secret while one is being rotated, the current one first', () => {
  const [current, previous] = [signingSecret(MASTER, ACME), signingSecret('old'.repeat(12), ACME)];
  const signature = webhookSignature([current, previous], message);
  for (const secret of [current, previous]) {
    expect(new Webhook(secret).verify(message.body, headersOf(signature))).toBeDefined();
  }
  expect(signature.split(' ')[0]).toBe(webhookSignature([current], message));
  const stranger = new Webhook(signingSecret('else'.repeat(9), ACME));
  expect(() => stranger.verify(message.body, headersOf(signature))).toThrow('No matching signature found');
});
