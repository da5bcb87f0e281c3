import { type ApiKey, MAX_LIFETIME_DAYS, OVERLAP_HOURS } from '#src/domain/access/api-key.ts';
import { PERMISSIONS, ROLES, type Role } from '#src/domain/access/permission.ts';
import { z } from 'zod';
import { formatted } from './response-types.ts';
import { text } from './text.ts';

export const permission = z.enum(PERMISSIONS);
export const role = z.enum(ROLES as [Role, ...Role[]]);

export const apiKeyId = z.strictObject({
  id: z.uuid().meta({ description: 'Of the API key.', examples: ['019c1222-7c00-7d3b-9a54-3f1c6a2e8b91'] }),
});

const lifetime = z
  .int()
  .min(1)
  .max(MAX_LIFETIME_DAYS)
  .default(MAX_LIFETIME_DAYS)
  .describe('In how many days the key ends.');

export const newApiKey = z.strictObject({
  name: text(200)
    .regex(/^\P{Cc}+$/u, 'No control characters.')
    .describe('Of the client that will have the key.'),
  role: role.describe('What the key may do: at most what yours may.'),
  scopes: z
    .array(permission)
    .min(1)
    .max(PERMISSIONS.length)
    .optional()
    .describe('Some permissions of the role; otherwise all of them.'),
  lifetime_days: lifetime,
});

export const rotation = z.strictObject({
  lifetime_days: lifetime,
  overlap_hours: z
    .number()
    .min(0)
    .max(OVERLAP_HOURS.most)
    .default(OVERLAP_HOURS.default)
    .describe('How long the old key lives on beside the new one.'),
});

export const apiKey = z
  .object({
    id: formatted('uuid'),
    name: z.string(),
    role,
    scopes: z.array(permission).nullable().describe('Null: all permissions of the role.'),
    created_by: z.string().nullable(),
    created_at: formatted('date-time'),
    expires_at: formatted('date-time'),
    revoked_at: formatted('date-time').nullable(),
    last_used_at: formatted('date-time').nullable().describe('To ten seconds or so.'),
  })
  .meta({ id: 'ApiKey' });

export const issuedApiKey = z
  .object({ ...apiKey.shape, key: z.string().describe('The secret. It is shown only now.') })
  .meta({ id: 'IssuedApiKey' });

export const toApiKey = (from: ApiKey): z.output<typeof apiKey> => ({
  id: from.id,
  name: from.name,
  role: from.role,
  scopes: from.scopes === null ? null : [...from.scopes],
  created_by: from.createdBy,
  created_at: from.createdAt,
  expires_at: from.expiresAt,
  revoked_at: from.revokedAt,
  last_used_at: from.lastUsedAt,
});
