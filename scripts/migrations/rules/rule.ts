import type { Statement } from '../statement.ts';

/** What the statements before have led to. */
export interface World {
  /** Made since the last release: nothing depends on it yet, and it holds no rows. */
  isNew(name: string): boolean;
  /** Of 5 s at most, set in this file. */
  readonly hasLockTimeout: boolean;
  /** By default privileges, or in this file for that function. */
  isRevokedFromPublic(name: string): boolean;
  readonly transactional: boolean;
}

/** A sentence for each fault: what is wrong and what to do instead. */
export type Rule = (statement: Statement, world: World) => string[];
