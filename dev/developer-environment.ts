import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { CHECKOUT } from './servers/state-directory.ts';

export type Variables = Readonly<Record<string, string>>;

/** What the developer set: the shell's variables, before those of `.env`. Empty ones count as missing. */
export function developerEnvironment(): Variables {
  return { ...withoutEmpty(readDotEnv()), ...withoutEmpty(process.env) };
}

function readDotEnv(): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(join(CHECKOUT, '.env'), 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}

function withoutEmpty(environment: NodeJS.Dict<string>): Variables {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
}
