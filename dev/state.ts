import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What dev remembers from one start to the next, readable by its user only. */
export interface State {
  /**
   * Of the database, and what the names of its roles begin with. Random, so that on a server that others use too nothing
   * but what this checkout made has such a name: not a production's, nor that of another checkout.
   */
  readonly name: string;
  readonly passwords: Readonly<Record<'owner' | 'api' | 'worker' | 'readonly', string>>;
  readonly webhookSecret: string;
  /** Port of the embedded PostgreSQL, so that bookmarks of database tools stay valid. */
  readonly databasePort: number;
}

const FIRST_DATABASE_PORT = 5433;
const DEV_NAME = /^dragonfly_dev_[0-9a-f]{12}$/;

/** With secrets of its own. */
export const newState = (): State => ({
  name: `dragonfly_dev_${randomBytes(6).toString('hex')}`,
  passwords: { owner: random(), api: random(), worker: random(), readonly: random() },
  webhookSecret: random(),
  databasePort: FIRST_DATABASE_PORT,
});

/** @throws Error when the file is damaged, or names a database that dev did not make */
export function loadState(directory: string): State {
  const file = fileIn(directory);
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as State;
    if (!DEV_NAME.test(state.name)) throw new Error(`${state.name} is no name of dev's own.`);
    return state;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      throw new Error(`${file} cannot be read; remove it to get a new database.`, { cause: error });
    }
  }
  const state = newState();
  saveState(directory, state);
  return state;
}

export function saveState(directory: string, state: State): void {
  writeFileSync(fileIn(directory), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
}

const random = (): string => randomBytes(32).toString('base64url');

const fileIn = (directory: string): string => join(directory, 'state.json');
