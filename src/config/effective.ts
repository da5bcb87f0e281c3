import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { ConfigurationError, type Environment, isUsed, loadConfig, secretFiles } from './load.ts';
import type { Role, Variable } from './variable.ts';
import { variables } from './variables.ts';

export interface EffectiveVariable {
  readonly name: string;
  /** As it is written in the environment; of a secret only `set` or `not set`, of what the schema refuses `invalid`. */
  readonly value: string;
  /** `default`, `environment`, `none`, or `file` and its base name. */
  readonly source: string;
  /** How long ago the file of a secret was written. */
  readonly ageDays?: number;
  readonly roles: readonly Role[];
}

export interface EffectiveConfig {
  readonly variables: readonly EffectiveVariable[];
  /** As at the start. */
  readonly faults: readonly string[];
}

/** What these roles would start with, without the value of any secret (SEC-1). */
export function effectiveConfig(roles: readonly Role[], environment: Environment): EffectiveConfig {
  const files = secretFiles(roles, environment);
  const used = Object.entries<Variable>(variables).filter(([, variable]) => isUsed(variable, roles));
  return {
    variables: used.map(([name, variable]) => described(name, variable, environment[name], files.get(name))),
    faults: faultsOf(roles, environment),
  };
}

function described(
  name: string,
  { tier, schema, fallback, roles }: Variable,
  given: string | undefined,
  path: string | undefined,
): EffectiveVariable {
  if (path !== undefined) return { name, ...ofFile(path), roles };
  const text = given || fallback;
  const source = given ? 'environment' : fallback === undefined ? 'none' : 'default';
  const isKnown = text !== undefined;
  if (!isKnown || tier === 'sensitive') return { name, value: isKnown ? 'set' : 'not set', source, roles };
  return { name, value: schema.safeParse(text).success ? text : 'invalid', source, roles };
}

const DAY_MS = 86_400_000;

function ofFile(path: string): Pick<EffectiveVariable, 'value' | 'source' | 'ageDays'> {
  const source = `file ${basename(path)}`;
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile() || stats.size === 0) return { value: 'not set', source };
  return { value: 'set', source, ageDays: Math.max(0, Math.floor((Date.now() - stats.mtimeMs) / DAY_MS)) };
}

function faultsOf(roles: readonly Role[], environment: Environment): readonly string[] {
  try {
    loadConfig(roles, environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
}
