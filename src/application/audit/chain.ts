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

/** SHA-256 in hex of the fields as the database joins them when it seals. */
export const digestOfEntry = async ({ fields }: StoredEntry): Promise<string> => await digest(fields);

export const hashOfSeal = async ({ seq, sealedAt, previousHash, digests }: Seal): Promise<string> =>
  await digest([String(seq), sealedAt, previousHash, ...digests]);

/** Each field with its length in bytes of UTF-8, or a hyphen for null: no two lists of fields give the same text. */
async function digest(fields: readonly (string | null)[]): Promise<string> {
  const text = fields
    .map((field) => (field === null ? '-' : `${Buffer.byteLength(field)}:${field}`))
    .join('');
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('hex');
}
