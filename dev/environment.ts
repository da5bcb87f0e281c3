import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { variables } from '#src/config/variables.ts';
import type { Variable } from '#src/config/variable.ts';
import { CHECKOUT } from './servers/state-directory.ts';

type Variables = Readonly<Record<string, string>>;

/** What the developer set: the shell's variables, before those of `.env`. Empty ones count as missing. */
export function developerEnvironment(): Variables {
  return { ...withoutEmpty(readDotEnv()), ...withoutEmpty(process.env) };
}

/** Good for a developer's machine, and his to override. Deadlines are short, so that nothing is left 5 s after Ctrl-C. */
const DEFAULTS: Variables = {
  HOST: '127.0.0.1',
  DRAGONFLY_SHUTDOWN_TIMEOUT: '1s',
  DRAGONFLY_WORKER_DRAIN_TIMEOUT: '1s',
  DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true',
};

/**
 * The app's environment: the developer's, over dev's defaults, under what the supervisor decides. Variables of commands
 * (the owner's and the administrator's connection) are left out: the app gets only what its roles use (SEC-1).
 */
export function appEnvironment(developer: Variables, decided: Variables): Variables {
  const all = { ...DEFAULTS, ...developer, DRAGONFLY_ENV: 'dev', DRAGONFLY_SHUTDOWN_DELAY: '0s', ...decided };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !isForCommandsOnly(name)));
}

function isForCommandsOnly(name: string): boolean {
  const known: Readonly<Record<string, Variable>> = variables;
  const variable = known[name] ?? known[name.replace(/_FILE$/, '')];
  return variable !== undefined && !variable.roles.some((role) => role === 'api' || role === 'worker');
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
