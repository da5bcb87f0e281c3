/** How the reader of the panel gets in. */
export interface Access {
  readonly key: string;
  /** The database, for people who look. */
  readonly database: string;
}

/** Half of the life of dev's keys: whoever reads the panel has a key that lives for hours. */
const OLD_MS = 12 * 3_600_000;

/**
 * The access of one session of dev, which may last for days: issued when it is first asked for, and again when the one
 * before is old.
 *
 * @param now milliseconds, of the clock by which keys expire
 */
export function createAccess(issue: () => Promise<Access>, now: () => number = Date.now) {
  let current: Access | undefined;
  let issuedAt = 0;
  return async (): Promise<Access> => {
    if (current && now() - issuedAt < OLD_MS) return current;
    issuedAt = now();
    current = await issue();
    return current;
  };
}
