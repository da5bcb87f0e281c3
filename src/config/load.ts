import { readFileSync } from 'node:fs';
import { closest } from 'fastest-levenshtein';
import { brokenRules } from './rules.ts';
import type { Role, ValueOf, Variable } from './variable.ts';
import { type KnownValues, type VariableName, type Variables, variables } from './variables.ts';

/** The variables that one of these roles uses. */
export type NameFor<R extends Role> = {
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
  const { values, faults: unread } = readConfig(roles, environment);
  const faults = [...unread, ...brokenRules(values)];
  if (faults.length > 0) throw new ConfigurationError([...new Set(faults)]);
  return values as Config<R>;
}

/** The same as far as it can be read, and the faults of the rest; no rule is asked. */
export function readConfig(
  roles: readonly Role[],
  environment: Environment,
): { readonly values: KnownValues; readonly faults: readonly string[] } {
  const faults = unknownNames(environment);
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries<Variable>(variables)) {
    if (!isUsed(variable, roles)) continue;
    const text = textOf(name, variable, environment, faults);
    if (text === undefined) {
      values[name] = undefined;
      continue;
    }
    const parsed = variable.schema.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    else faults.push(...parsed.error.issues.map((issue) => `${name}: ${issue.message}`));
  }
  return { values, faults };
}

/** Where the sensitive variables of these roles come from, for those that come from a file: path by variable. */
export const secretFiles = (roles: readonly Role[], environment: Environment): ReadonlyMap<string, string> =>
  new Map(
    Object.entries<Variable>(variables).flatMap(([name, variable]) => {
      const path = variable.tier === 'sensitive' && isUsed(variable, roles) && environment[`${name}_FILE`];
      return path ? [[name, path]] : [];
    }),
  );

export const isUsed = (variable: Variable, roles: readonly Role[]): boolean =>
  variable.roles.some((role) => roles.includes(role));

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
  if (file) return readSecret(name, file, variable.optional, faults);
  if (text !== undefined) return text;
  if (variable.fallback === undefined && !variable.optional) {
    faults.push(
      `${name}: required${variable.tier === 'sensitive' ? `, or ${name}_FILE with the path of a file` : ''}.`,
    );
  }
  return variable.fallback;
}

/** The file of an optional secret may be missing, so that a mount may name all files that there could be. */
function readSecret(name: string, path: string, isOptional: boolean, faults: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    if (isOptional && code === 'ENOENT') return undefined;
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
    .map((name) => `${name}: unknown; the nearest known name is ${closest(name, known)}.`);
}
