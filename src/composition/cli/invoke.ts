import { type PlatformPermission, platformPermissionsOf } from '#src/domain/access/platform.ts';
import { decide } from '#src/application/access/decide.ts';
import { Forbidden } from '#src/application/forbidden.ts';
import { ConfigurationError, type Environment } from '#src/config/load.ts';
import { variables } from '#src/config/variables.ts';
import { type Command, type Group, type Outcome, type Surroundings, UsageError } from './command.ts';
import { helpOf, isGroup, overview, usageOf } from './help.ts';
import { registry } from './registry.ts';

export interface Answer {
  /** For the standard output. */
  readonly output: string;
  readonly code: 0 | 1;
}

/**
 * One run of a command line.
 *
 * @param progress gets what happens meanwhile
 * @throws UsageError, ConfigurationError, and what the command throws
 */
export async function invoke(
  [name = '', ...args]: readonly string[],
  environment: Environment,
  progress: Surroundings['progress'] = () => {},
): Promise<Answer> {
  if (name === 'help' || name === '--help') return { output: overview(), code: 0 };
  const entry = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (!entry) throw new UsageError(overview());
  const { command } = await entry.load();
  try {
    return await run(name, command, args, { environment, progress });
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof Forbidden)) throw error;
    throw new UsageError(`${error.message}\n${usageOf(name, command)}`, { cause: error });
  }
}

async function run(
  name: string,
  command: Command | Group,
  args: readonly string[],
  { environment, progress }: Surroundings,
): Promise<Answer> {
  const [action, ...rest] = args;
  if (!isGroup(command)) return await runOne(name, command, args, { environment, progress });
  if (action === '--help') return { output: helpOf(name, command), code: 0 };
  const chosen = action !== undefined && Object.hasOwn(command.actions, action) && command.actions[action];
  if (!chosen) throw new UsageError(`${name} needs one of ${Object.keys(command.actions).join(', ')}.`);
  return await runOne(`${name} ${action}`, chosen, rest, { environment, progress });
}

async function runOne(
  name: string,
  command: Command,
  args: readonly string[],
  { environment, progress }: Surroundings,
): Promise<Answer> {
  const invocation = command.parse(args);
  const { env, json, strict, help } = invocation;
  if (help) return { output: helpOf(name, command), code: 0 };
  await allow(name, command.permission, environment);
  const outcome = await invocation.run({
    environment: withEnv(env, environment),
    progress: json ? () => {} : progress,
  });
  const output = json ? JSON.stringify(outcome.data, withoutBigints, 2) : outcome.text;
  return { output, code: isPassed(outcome, strict) ? 0 : 1 };
}

const isPassed = ({ status = 'pass' }: Outcome, strict: boolean): boolean =>
  status === 'pass' || (status === 'warn' && !strict);

const withoutBigints = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? Number(value) : value;

/** @throws UsageError when it contradicts the environment: what is meant for one must not run with the secrets of another */
function withEnv(env: string | undefined, environment: Environment): Environment {
  if (env === undefined) return environment;
  const { data: known } = variables.DRAGONFLY_ENV.schema.safeParse(env);
  if (!known) throw new UsageError('--env: dev, staging or prod.');
  const given = environment['DRAGONFLY_ENV'];
  if (given && given !== known) throw new UsageError(`--env ${known} contradicts DRAGONFLY_ENV=${given}.`);
  return { ...environment, DRAGONFLY_ENV: known };
}

/** @throws ConfigurationError for a role that there is not, Error without the permission, which is a security event too */
async function allow(
  command: string,
  permission: PlatformPermission,
  environment: Environment,
): Promise<void> {
  const { schema, fallback } = variables.DRAGONFLY_CLI_ROLE;
  const { data: role, error } = schema.safeParse(environment['DRAGONFLY_CLI_ROLE'] || fallback);
  if (error)
    throw new ConfigurationError(error.issues.map(({ message }) => `DRAGONFLY_CLI_ROLE: ${message}`));
  if (decide({ permissions: platformPermissionsOf(role) }, permission) === 'granted') return;
  const detail = `The role ${role} of the command line (DRAGONFLY_CLI_ROLE) may not ${permission}.`;
  // Loaded only for that: a logger takes time that no allowed command has to wait for.
  const { reportDenial } = await import('./report-denial.ts');
  reportDenial({ actor: `cli:${role}`, command, detail }, environment['DRAGONFLY_GIT_SHA'] || 'unknown');
  throw new Error(detail);
}
