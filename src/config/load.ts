import { readFileSync } from 'node:fs';
import { closest, distance } from 'fastest-levenshtein';
import type { Role, Variable } from './variable.ts';
import { type VariableName, type Variables, variables } from './variables.ts';

type ValueOf<V> = V extends Variable<infer T> ? T : never;
type NameFor<R extends Role> = {
  [N in VariableName]: Extract<R, Variables[N]['roles'][number]> extends never ? never : N;
}[VariableName];

/** The values of all variables that these roles use, under the variables' own names. */
export type Config<R extends Role> = { readonly [N in NameFor<R>]: ValueOf<Variables[N]> };
export type Environment = Readonly<Record<string, string | undefined>>;

/** All faults of an environment at once. Names variables, never values. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length} fault(s):\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
    this.faults = faults;
  }
}

/**
 * Reads what the roles need from an environment. A sensitive variable may be given as `<NAME>_FILE`, a path.
 *
 * @throws ConfigurationError
 */
export function loadConfig<R extends Role>(roles: readonly R[], environment: Environment): Config<R> {
  const faults = unknownNames(environment);
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries<Variable>(variables)) {
    if (!variable.roles.some((role) => (roles as readonly Role[]).includes(role))) continue;
    const text = textOf(name, variable, environment, faults);
    if (text === undefined) {
      values[name] = undefined;
      continue;
    }
    const parsed = variable.schema.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    else faults.push(...parsed.error.issues.map((issue) => `${name}: ${issue.message}`));
  }
  faults.push(...inconsistencies(values));
  if (faults.length > 0) throw new ConfigurationError(faults);
  return values as Config<R>;
}

/** An empty value counts as missing, so that a template line may stay empty. */
function textOf(
  name: string,
  variable: Variable,
  environment: Environment,
  faults: string[],
): string | undefined {
  const text = environment[name] === '' ? undefined : environment[name];
  const file = variable.tier === 'sensitive' ? environment[`${name}_FILE`] : undefined;
  if (text !== undefined && file) faults.push(`${name}: set either it or ${name}_FILE, not both.`);
  if (file) return readSecret(name, file, faults);
  if (text !== undefined) return text;
  if (variable.fallback === undefined && !variable.optional) {
    faults.push(
      `${name}: required${variable.tier === 'sensitive' ? `, or ${name}_FILE with the path of a file` : ''}.`,
    );
  }
  return variable.fallback;
}

function readSecret(name: string, path: string, faults: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    faults.push(`${name}_FILE: the file cannot be read (${code}).`);
    return undefined;
  }
}

function unknownNames(environment: Environment): string[] {
  const known = Object.entries<Variable>(variables).flatMap(([name, { tier }]) =>
    tier === 'sensitive' ? [name, `${name}_FILE`] : [name],
  );
  return Object.keys(environment)
    .filter((name) => name.startsWith('DRAGONFLY_') && !known.includes(name))
    .map((name) => {
      const near = closest(name, known);
      return `${name}: unknown${distance(name, near) <= 8 ? `; did you mean ${near}?` : '.'}`;
    });
}

const WEAK =
  /example|changeme|change-me|default|password|secret|postgres:postgres|dragonfly:dragonfly|(.)\1{7}/i;

/** Rules over several variables; a missing one is `undefined` here, because its fault is known already. */
function inconsistencies(values: Record<string, unknown>): string[] {
  const faults: string[] = [];
  const { DRAGONFLY_ENV: env, DRAGONFLY_GIT_SHA: sha } = values;
  const number = (name: VariableName): number | undefined =>
    typeof values[name] === 'number' ? values[name] : undefined;

  if (env !== 'dev') {
    if (typeof sha === 'string' && !/^[0-9a-f]{40}$/.test(sha)) {
      faults.push('DRAGONFLY_GIT_SHA: outside dev the full hash of a clean commit is required.');
    }
    if (Array.isArray(values['DRAGONFLY_CORS_ORIGINS']) && values['DRAGONFLY_CORS_ORIGINS'].includes('*')) {
      faults.push('DRAGONFLY_CORS_ORIGINS: * is allowed in dev only.');
    }
    if (values['DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK'] === true) {
      faults.push('DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: allowed in dev only.');
    }
    faults.push(...weakSecrets(values));
  }

  const [beat, abort, dead] = [
    number('DRAGONFLY_WORKER_HEARTBEAT_INTERVAL'),
    number('DRAGONFLY_WORKER_ABORT_AFTER'),
    number('DRAGONFLY_WORKER_DEAD_AFTER'),
  ];
  if (beat !== undefined && abort !== undefined && dead !== undefined && !(beat < abort && abort < dead)) {
    faults.push(
      'DRAGONFLY_WORKER_HEARTBEAT_INTERVAL must be shorter than DRAGONFLY_WORKER_ABORT_AFTER, and that shorter than DRAGONFLY_WORKER_DEAD_AFTER.',
    );
  }
  return faults;
}

/** SEC-2: no default, empty, short or example secret outside dev. */
function weakSecrets(values: Record<string, unknown>): string[] {
  return Object.entries<Variable>(variables).flatMap(([name, { tier }]) => {
    const value = values[name];
    if (tier !== 'sensitive' || typeof value !== 'string') return [];
    if (!name.endsWith('_URL'))
      return WEAK.test(value) ? [`${name}: looks like an example; use a random value.`] : [];
    const { password, protocol } = new URL(value);
    if (password === '' && protocol.startsWith('redis')) return [];
    if (password.length < 12) return [`${name}: outside dev the password needs at least 12 characters.`];
    return WEAK.test(password) ? [`${name}: the password looks like an example; use a random one.`] : [];
  });
}
