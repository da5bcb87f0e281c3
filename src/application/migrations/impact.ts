/** Weakest first. Those below `ROW EXCLUSIVE` keep nobody from anything but a change of the table. */
export const LOCK_MODES = [
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;
export type LockMode = (typeof LOCK_MODES)[number];

/** On a relation that a statement names. */
export interface Lock {
  /** With its schema: `ops.job`. */
  readonly relation: string;
  readonly mode: LockMode;
}

/** What a migration says itself. */
export interface MigrationStatements {
  readonly name: string;
  /** All of it or nothing. */
  readonly transactional: boolean;
  /** Which releases work with the schema after it, as its header says. */
  readonly compatibility: string;
  readonly isBreaking: boolean;
  /** How many of each kind, as `alter table`. */
  readonly statements: Readonly<Record<string, number>>;
  /** Functions, tables, indexes, types. */
  readonly objects: readonly string[];
  /** The strongest on each relation. */
  readonly locks: readonly Lock[];
  /** Made up as they run, so that nobody can tell what they do. */
  readonly unseen: number;
  /** The rows and tables that its down step drops; null when all is there again after it. */
  readonly loses: string | null;
  /** The migration that was prepared to take it back in prod. */
  readonly rollback: string | null;
  /** Those that name an object of it. */
  readonly contractTests: readonly string[];
}

/** On a relation that is there, as the server estimates it; null where it never counted. */
export interface LiveLock extends Lock {
  readonly rows: number | null;
  readonly bytes: number;
}

/** What a migration does to one database (DEP-2). */
export interface MigrationImpact extends MigrationStatements {
  /** Of relations that are there already. */
  readonly locks: readonly LiveLock[];
}

/** How large a relation is. An index counts as its table. */
export interface RelationSize {
  readonly relation: string;
  /** The table whose lock is meant. */
  readonly table: string;
  readonly rows: number | null;
  readonly bytes: number;
}

/** @param sizes of the relations that are there */
export const impactOf = (
  migration: MigrationStatements,
  sizes: readonly RelationSize[],
): MigrationImpact => ({
  ...migration,
  locks: strongest(
    migration.locks.flatMap(({ relation, mode }) => {
      const size = sizes.find((one) => one.relation === relation);
      return size ? [{ relation: size.table, mode, rows: size.rows, bytes: size.bytes }] : [];
    }),
  ),
});

/** One on each relation. */
export function strongest<L extends Lock>(locks: readonly L[]): L[] {
  const kept = new Map<string, L>();
  const strength = ({ mode }: Lock): number => LOCK_MODES.indexOf(mode);
  for (const lock of locks) {
    const other = kept.get(lock.relation);
    if (!other || strength(lock) > strength(other)) kept.set(lock.relation, lock);
  }
  return [...kept.values()];
}
