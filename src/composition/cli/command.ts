import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { PlatformPermission } from '#src/domain/access/platform.ts';
import type { Verdict } from '#src/application/checks/finding.ts';
import type { Environment } from '#src/config/load.ts';

/** A command-line mistake: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Outcome {
  /** For people. */
  readonly text: string;
  /** For programs: what `--json` prints. */
  readonly data: unknown;
  /** Exit code 0, of `warn` 1 with `--strict`, of `fail` 1. */
  readonly status?: Verdict;
}

export const COMMON_OPTIONS = {
  env: { type: 'string' },
  json: { type: 'boolean', default: false },
  strict: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsOptionsConfig;

/** What the options of a command hold. */
export type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; strict: true; allowPositionals: true }>
>['values'];

/** What a command knows of the process. */
export interface Surroundings {
  /** `--env` is in it, as DRAGONFLY_ENV. */
  readonly environment: Environment;
  /** For anything over a second: a line, unless a program wants JSON. */
  readonly progress: (text: string) => void;
}

interface Call<O extends ParseArgsOptionsConfig> extends Surroundings {
  readonly options: Values<O & typeof COMMON_OPTIONS>;
  readonly positionals: readonly string[];
}

interface Definition<O extends ParseArgsOptionsConfig> {
  /** What follows the name of the command, a line a form. */
  readonly usage: readonly string[];
  readonly examples: readonly string[];
  /** What one has to be allowed to do. */
  readonly permission: PlatformPermission;
  readonly options?: O;
  /** How many there may be; none unless said. */
  readonly positionals?: number;
  readonly run: (call: Call<O>) => Promise<Outcome>;
}

export interface Command extends Omit<Definition<ParseArgsOptionsConfig>, 'run' | 'options' | 'positionals'> {
  /** @throws UsageError */
  parse(args: readonly string[]): Invocation;
}

export interface Invocation {
  readonly env: string | undefined;
  readonly json: boolean;
  readonly strict: boolean;
  readonly help: boolean;
  run(surroundings: Surroundings): Promise<Outcome>;
}

/** A command of many actions, such as `migrate up`. */
export interface Group {
  readonly actions: Readonly<Record<string, Command>>;
}

export const defineGroup = (actions: Group['actions']): Group => ({ actions });

export const defineCommand = <const O extends ParseArgsOptionsConfig = typeof COMMON_OPTIONS>({
  run,
  options = {} as O,
  positionals: most = 0,
  ...rest
}: Definition<O>): Command => ({
  ...rest,
  parse(args) {
    const { values, positionals } = parsed(args, { ...options, ...COMMON_OPTIONS });
    const { env, json, strict, help } = values as Values<typeof COMMON_OPTIONS>;
    if (!help && positionals.length > most) throw new UsageError(`Not understood: ${positionals[most]}.`);
    return {
      env,
      json,
      strict,
      help,
      run: async (surroundings) => await run({ ...surroundings, options: values, positionals }),
    };
  },
});

function parsed<O extends ParseArgsOptionsConfig>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
