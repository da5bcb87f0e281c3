export interface KnownKey {
  readonly keyId: string;
  readonly organizationId: string;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface ApiKeyStore {
  /** The key with that hash if it is neither revoked nor expired. @throws DomainError `database_unavailable` */
  find(hash: string): Promise<KnownKey | undefined>;
  /** Stamps the last use. */
  touch(keyIds: readonly string[]): Promise<void>;
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
  set(key: string, value: V): unknown;
}
