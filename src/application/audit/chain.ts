/** A row of the audit log as it is stored: each column as text, in the order in which it is hashed. */
export interface StoredEntry {
  readonly id: bigint;
  readonly fields: readonly (string | null)[];
}

/** A link of the chain. Hashes are SHA-256 in hex. */
export interface Seal {
  readonly seq: bigint;
  /** In microseconds since 1970. */
  readonly sealedAt: string;
  readonly ids: readonly bigint[];
  /** One for each id. */
  readonly digests: readonly string[];
  /** Null for the first. */
  readonly previousHash: string | null;
  readonly hash: string;
}

/** Of the UTF-8 of a text, in hex. */
export type Sha256 = (text: string) => string;

/** What is hashed of an entry. */
export const textOfEntry = ({ fields }: StoredEntry): string => textOf(fields);

/** What is hashed of a seal. */
export const textOfSeal = ({ seq, sealedAt, previousHash, digests }: Seal): string =>
  textOf([String(seq), sealedAt, previousHash, ...digests]);

/** Each field with its length in bytes of UTF-8, or a hyphen for null: no two lists of fields give the same text. */
const textOf = (fields: readonly (string | null)[]): string =>
  fields.map((field) => (field === null ? '-' : `${Buffer.byteLength(field)}:${field}`)).join('');
