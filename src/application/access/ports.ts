import type { ApiKey } from '#src/domain/access/api-key.ts';
import type { Permission, Role } from '#src/domain/access/permission.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import type { Statement } from '../transactions.ts';

export interface FoundKey {
  readonly keyId: string;
  readonly organizationId: string;
  readonly role: Role;
  readonly scopes: readonly Permission[] | null;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface KnownKey {
  readonly keyId: string;
  readonly principal: Principal;
  readonly expiresAt: number;
}

/** The use of a key. */
export interface KeyUse {
  readonly keyId: string;
  readonly organizationId: string;
}

export interface ApiKeyStore {
  /** The key with that hash if it is neither revoked nor expired. @throws DomainError `database_unavailable` */
  find(hash: string): Promise<FoundKey | undefined>;
  /** Stamps the last use. */
  touch(uses: readonly KeyUse[]): Promise<void>;
}

/** Format of the secret: `dfk_` + 43 random characters + 6 of checksum. */
export interface ApiKeyFormat {
  /** Whether prefix, length and checksum are right: a typing error is found without a look-up. */
  isWellFormed(key: string): boolean;
  /** SHA-256 in hex, of any text. */
  hash(key: string): string;
}

/** A bounded hint with a time to live (ARC-3). */
export interface Cache<V extends object> {
  get(key: string): V | undefined;
  /** @param options `start` of the time to live, by `performance.now()`; what began too long ago is not remembered */
  set(key: string, value: V, options: { readonly start: number }): unknown;
}

export interface NewKey {
  readonly name: string;
  /** SHA-256 of the secret in hex. */
  readonly hash: string;
  readonly role: Role;
  readonly scopes: readonly Permission[] | null;
  readonly lifetimeDays: number;
}

export interface Rotation {
  readonly id: string;
  readonly hash: string;
  readonly lifetimeDays: number;
  readonly overlapHours: number;
}

/** The keys of the organisation of a transaction. */
export interface ApiKeyAdministration {
  /** The id. Refused with `api_key_name_taken`. */
  create(key: NewKey): Statement<string>;
  /** The id of the successor, undefined without such a live key. Refused with `api_key_rotating`. */
  rotate(rotation: Rotation): Statement<string | undefined>;
  /** Whether there is such a key. */
  revoke(id: string): Statement<boolean>;
  findKey(id: string): Statement<ApiKey | undefined>;
  /** The newest first, older than `after`. */
  listKeys(after: string | undefined, limit: number): Statement<ApiKey[]>;
  organizationName(): Statement<string | undefined>;
}
