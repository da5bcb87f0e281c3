import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What dev remembers from one start to the next, readable by its user only. */
export interface State {
  readonly passwords: Readonly<Record<'owner' | 'api' | 'worker' | 'readonly', string>>;
  readonly webhookSecret: string;
  /** Port of the embedded PostgreSQL, so that bookmarks of database tools stay valid. */
  readonly databasePort: number;
}

const FIRST_DATABASE_PORT = 5433;

/** With secrets of its own. */
export const newState = (): State => ({
  passwords: { owner: random(), api: random(), worker: random(), readonly: random() },
  webhookSecret: random(),
  databasePort: FIRST_DATABASE_PORT,
});

export function loadState(directory: string): State {
  const file = fileIn(directory);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as State;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      throw new Error(`${file} cannot be read; remove it to get new passwords.`, { cause: error });
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
