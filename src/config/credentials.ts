import { effectiveConfig } from './effective.ts';
import type { Environment } from './load.ts';
import { ROLES, type Variable } from './variable.ts';
import { variables } from './variables.ts';

export interface Credential {
  readonly name: string;
  readonly fromFile: boolean;
  readonly ageDays: number | null;
}

/** The secrets that an environment has, whoever uses them, without their values. */
export const credentialsOf = (environment: Environment): Credential[] =>
  effectiveConfig(ROLES, environment).variables.flatMap(({ name, value, source, ageDays }) => {
    const { tier } = variables[name as keyof typeof variables] as Variable;
    if (tier !== 'sensitive' || value !== 'set') return [];
    return [{ name, fromFile: source.startsWith('file '), ageDays: ageDays ?? null }];
  });
