import type { Variable } from '#src/config/variable.ts';
import { variables } from '#src/config/variables.ts';
import { type Variables, developerEnvironment } from './developer-environment.ts';

/** Good for a developer's machine, and his to override. Deadlines are short, so that nothing is left 5 s after Ctrl-C. */
const DEFAULTS: Variables = {
  HOST: '127.0.0.1',
  // One load of the docs page takes eight.
  DRAGONFLY_RATE_LIMIT_ANONYMOUS: '1000',
  DRAGONFLY_SHUTDOWN_TIMEOUT: '1s',
  DRAGONFLY_WORKER_DRAIN_TIMEOUT: '1s',
  DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true',
};

/**
 * The app's environment: the developer's, over dev's defaults, under what the supervisor decides. Variables of commands
 * (the owner's and the administrator's connection) are left out: the app gets only what its roles use (SEC-1).
 */
export function appEnvironment(decided: Variables): Variables {
  const all = {
    ...DEFAULTS,
    ...developerEnvironment(),
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_SHUTDOWN_DELAY: '0s',
    ...decided,
  };
  const isOverruled = (name: string): boolean => name.endsWith('_FILE') && withoutFile(name) in decided;
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => !isForCommandsOnly(name) && !isOverruled(name)),
  );
}

function isForCommandsOnly(name: string): boolean {
  const known: Readonly<Record<string, Variable>> = variables;
  const variable = known[name] ?? known[withoutFile(name)];
  return variable !== undefined && !variable.roles.some((role) => role === 'api' || role === 'worker');
}

/** A secret may be given as a file. */
const withoutFile = (name: string): string => name.replace(/_FILE$/, '');
