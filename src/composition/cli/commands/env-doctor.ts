import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import { environmentFindings } from '#src/application/checks/environment-findings.ts';
import { credentialsOf } from '#src/config/credentials.ts';
import { effectiveConfig } from '#src/config/effective.ts';
import type { Environment } from '#src/config/load.ts';
import { nearMisses } from '#src/config/near-misses.ts';
import { ROLES, type Variable } from '#src/config/variable.ts';
import { variables } from '#src/config/variables.ts';
import { UsageError, defineCommand } from '../command.ts';
import { findingsOutcome } from '../findings.ts';
import { rolesOf } from '../roles.ts';

const DEFAULT_ROLES = 'api,worker,migrate';

export const command = defineCommand({
  usage: ['[--roles ROLE,…] [--file FILE]', '--public --file FILE'],
  examples: [
    'dragonfly env-doctor --env prod --strict',
    'dragonfly env-doctor --env staging --file staging.env --roles api',
    'dragonfly env-doctor --public --file configmap.env',
  ],
  options: {
    roles: { type: 'string', default: DEFAULT_ROLES },
    /** Lines of NAME=VALUE, instead of the environment of this process. */
    file: { type: 'string' },
    /** What the file holds is public, such as a ConfigMap: no secret may be in it, and it need not be complete. */
    public: { type: 'boolean', default: false },
  },
  permission: 'platform:read',
  run: async ({ options: { roles: list, file, public: isPublic }, environment }) => {
    if (isPublic && file === undefined) throw new UsageError('--public needs a --file.');
    const roles = rolesOf(list);
    const examined = file === undefined ? environment : await environmentOf(file, environment);
    const { faults, variables: used } = effectiveConfig(roles, examined);
    const faultsOfSet = faultsOfAnyRole(examined).filter((fault) => isOfSet(examined, fault));
    return findingsOutcome(
      environmentFindings({
        faults: isPublic ? faultsOfSet : [...new Set([...faults, ...faultsOfSet])],
        nearMisses: nearMisses(examined),
        exposed: isPublic ? secretsIn(examined) : [],
        credentials: isPublic ? [] : credentialsOf(examined),
        variables: used.length,
      }),
    );
  },
});

/** Which environment it is may be said beside the file. */
async function environmentOf(file: string, { DRAGONFLY_ENV: env }: Environment): Promise<Environment> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new UsageError(`--file: ${file} cannot be read.`, { cause: error });
  });
  return { ...(env !== undefined && { DRAGONFLY_ENV: env }), ...parseEnv(text) };
}

/** What is set has to be right, whoever reads it; what only others need may be elsewhere. */
const faultsOfAnyRole = (environment: Environment): string[] => [
  ...new Set(ROLES.flatMap((role) => effectiveConfig([role], environment).faults)),
];

/** Whether it is a fault of a variable that has a value, or of the content of its file. */
const isOfSet = (environment: Environment, fault: string): boolean =>
  Object.entries(environment).some(
    ([name, value]) =>
      value && (fault.startsWith(`${name}:`) || fault.startsWith(`${name.replace(/_FILE$/, '')}:`)),
  );

const secretsIn = (environment: Environment): string[] =>
  Object.entries<Variable>(variables).flatMap(([name, { tier }]) =>
    tier === 'sensitive' && environment[name] ? [name] : [],
  );
