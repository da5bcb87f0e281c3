import type { DatabaseFacts, Manifest } from './manifest.ts';

export interface DumpFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface BackupFolder {
  /** Where the dump is, or is to be. */
  readonly dumpPath: string;
  /** Makes it. @throws Error when something is in it */
  claim(): Promise<void>;
  /** Removes it with all that is in it. */
  discard(): Promise<void>;
  /** @throws Error when it is not there */
  measure(): Promise<DumpFile>;
  /** @returns its SHA-256 */
  writeManifest(manifest: Manifest): Promise<string>;
  /** @throws Error when there is none */
  readManifest(): Promise<{ readonly content: unknown; readonly sha256: string }>;
}

/** Where backups stand beside each other. */
export interface BackupShelf {
  /** Those that were finished. */
  list(): Promise<readonly ShelvedBackup[]>;
  /** Those that have a dump and nothing else. */
  listUnfinished(): Promise<readonly UnfinishedBackup[]>;
  remove(name: string): Promise<void>;
}

export interface ShelvedBackup {
  readonly name: string;
  readonly manifest: Manifest;
}

export interface UnfinishedBackup {
  readonly name: string;
  /** When the dump was last written to. */
  readonly writtenAt: Date;
}

/** PostgreSQL's own programs. */
export interface DumpPrograms {
  /** Of a snapshot that is open. @returns the name and version of the program @throws Error with what it said */
  dump(path: string, snapshot: string): Promise<string>;
  /** Reads the whole dump. @returns rows by table @throws Error when it cannot be read */
  countRows(path: string): Promise<Record<string, number>>;
  /** All or nothing. @throws Error with what it said */
  restore(path: string): Promise<void>;
}

export interface BackupSource {
  /** Nothing that is committed meanwhile is in it. @throws Error when the role does not see all rows */
  inSnapshot<T>(work: (snapshot: string, facts: DatabaseFacts) => Promise<T>): Promise<T>;
}

/** What one has to know of a database before it is filled. */
export interface TargetState {
  readonly serverVersion: number;
  /** Tables, functions and the like that are there already. */
  readonly objects: number;
  /** Other connections to the database. */
  readonly sessions: number;
  /** Of those asked for, the ones that the server has not. */
  readonly missingRoles: readonly string[];
}

export interface RestoreTarget {
  state(roles: readonly string[]): Promise<TargetState>;
  /** Drops all that belongs to the owner. */
  empty(): Promise<void>;
  /** Counts, and tells the planner. */
  settle(): Promise<Record<string, number>>;
  /** What is wrong with the audit log, whose chain must have this seal. */
  auditFaults(head: string | null): Promise<readonly string[]>;
}
