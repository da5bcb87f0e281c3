import { createHmac } from 'node:crypto';

export interface SignedMessage {
  readonly id: string;
  readonly timestampSeconds: number;
  /** The bytes that are sent, not the value they came from. */
  readonly body: string;
}

/**
 * The value of `webhook-signature`: one `v1,<base64 HMAC-SHA256>` a secret, separated by spaces, so that receivers may
 * change over to a new secret when they like (Standard Webhooks specification, "Signature scheme").
 *
 * @param secrets each as `whsec_<base64>`
 */
export function webhookSignature(secrets: readonly string[], message: SignedMessage): string {
  const content = `${message.id}.${message.timestampSeconds}.${message.body}`;
  return secrets.map((secret) => `v1,${hmac(keyOf(secret), content)}`).join(' ');
}

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice('whsec_'.length), 'base64');

const hmac = (key: Buffer, content: string): string =>
  createHmac('sha256', key).update(content).digest('base64');
