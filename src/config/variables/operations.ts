import { z } from 'zod';
import { optional } from '../variable.ts';

/** What commands need that no running role does. */
export const operationsVariables = {
  DRAGONFLY_SMOKE_KEY: optional(
    z.string().regex(/^dfk_[A-Za-z0-9_-]{49}$/, 'An API key, such as `dragonfly keys create` prints.'),
    'API key with which the smoke test queues a job. Without it, it queues none.',
    { tier: 'sensitive', roles: ['smoke'] },
  ),
  DRAGONFLY_RELEASE_ACTOR: optional(
    z.string().regex(/^[\x20-\x7e]{1,200}$/, 'A name of up to 200 characters.'),
    'Who releases or rolls back, for the log of deployments. Without it the user and the machine.',
    { tier: 'runtime', roles: ['release'] },
  ),
} as const;
