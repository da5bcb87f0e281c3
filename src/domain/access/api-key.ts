import type { Permission, Role } from './permission.ts';

/** A key as its organisation sees it: never the secret, nor its hash. Times are RFC 3339. */
export interface ApiKey {
  readonly id: string;
  /** Of the client that has it. */
  readonly name: string;
  readonly role: Role;
  /** Null: all permissions of the role. */
  readonly scopes: readonly Permission[] | null;
  readonly createdBy: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

/** SEC-5, in days. */
export const MAX_LIFETIME_DAYS = 90;
/** How long a key lives on beside its successor, in hours. */
export const OVERLAP_HOURS = { default: 1, most: 24 } as const;
