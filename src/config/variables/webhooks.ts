import { oneOrTwoSecrets } from '../two-secrets.ts';
import { duration, flag, required, withDefault } from '../variable.ts';

const worker = { roles: ['worker'] } as const;

/** The deadline of the job type webhook.deliver, which is not to be imported here; a test compares the two. */
export const DELIVERY_DEADLINE = '30s';

/** The job type webhook.deliver. */
export const webhookVariables = {
  DRAGONFLY_WEBHOOK_SECRET: required(
    oneOrTwoSecrets,
    'Master secret; each organisation’s signing secret is derived from it. During a rotation the new one, a comma, and the one before: webhooks then carry a signature of each.',
    {
      tier: 'sensitive',
      roles: ['worker', 'webhook-secret'],
    },
  ),
  DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: withDefault(
    flag(),
    'false',
    'Lets webhooks reach loopback addresses. Dev only; no other private address is ever allowed.',
    worker,
  ),
  DRAGONFLY_WEBHOOK_CONNECT_TIMEOUT: withDefault(
    duration('1ms', DELIVERY_DEADLINE),
    '5s',
    'Longest wait for a receiver’s connection.',
    worker,
  ),
  DRAGONFLY_WEBHOOK_RESPONSE_TIMEOUT: withDefault(
    duration('1ms', DELIVERY_DEADLINE),
    '15s',
    'Longest wait for a receiver’s answer.',
    worker,
  ),
} as const;
