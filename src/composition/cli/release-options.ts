import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { commitOf } from '#src/composition/gate/checkout.ts';
import type { Setup } from '#src/composition/release/run.ts';
import {
  type TargetOf,
  configRepository,
  helmRelease,
  localProcesses,
} from '#src/composition/release/targets.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { duration } from '#src/config/variable.ts';
import { variables } from '#src/config/variables.ts';
import { type COMMON_OPTIONS, type Surroundings, UsageError, type Values } from './command.ts';
import { baseOf, originOf } from './service-address.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

/** Of release and rollback. */
export const RELEASE_OPTIONS = {
  'dry-run': flag,
  'allow-down': flag,
  target: text,
  url: text,
  'ops-url': text,
  'ops-token-file': text,
  'allowed-origin': text,
  wait: { ...text, default: '60s' },
  watch: { ...text, default: '15m' },
  'process-dir': text,
  port: { ...text, default: '8080' },
  'helm-release': { ...text, default: 'dragonfly' },
  namespace: text,
  values: { type: 'string', multiple: true },
  'config-repository': text,
  'config-branch': { ...text, default: 'main' },
  'config-file': text,
  'config-key': { ...text, default: 'image.tag' },
} as const;

const targetsOf = (opsUrl: string): string[] => [
  '--target process --process-dir DIR [--port 8080]',
  `--target helm --url URL ${opsUrl} [--helm-release dragonfly] [--namespace dragonfly-ENV] [--values FILE]…`,
  `--target gitops --url URL ${opsUrl} --config-repository GIT --config-file PATH [--config-branch main] [--config-key image.tag]`,
];
const ALWAYS = '--allowed-origin ORIGIN|none [--dry-run] [--wait 60s] [--ops-token-file FILE] [--allow-down]';

/** A form for each target. @param opsUrl as it is with a target that does not know it by itself */
export const formsOf = (own: string, opsUrl: string): string[] =>
  targetsOf(opsUrl).map((target) => `--env dev|staging|prod ${target} ${own} ${ALWAYS}`);

type Options = Values<typeof RELEASE_OPTIONS & typeof COMMON_OPTIONS>;

const root = resolve(import.meta.dirname, '../../..');
const DEPLOY_TIMEOUT_MS = 600_000;

/** @throws UsageError, ConfigurationError */
export async function setupOf(
  options: Options,
  { environment: given, progress }: Surroundings,
  signal: AbortSignal,
): Promise<Setup> {
  const env = variables.DRAGONFLY_ENV.schema.safeParse(given['DRAGONFLY_ENV']);
  if (!env.success) throw new UsageError('--env: where to, dev, staging or prod.');
  const target = targetOf(options, env.data, given);
  if (!existsSync(resolve(root, '.git')))
    throw new UsageError('A release is run in a checkout of what is released, and this is none.');
  const sha = await commitOf(root);
  const environment: Environment = { DRAGONFLY_GIT_SHA: sha, ...given, DRAGONFLY_ENV: env.data };
  const { DRAGONFLY_SMOKE_KEY: smokeKey } = loadConfig(['smoke'], environment);
  return {
    env: env.data,
    environment,
    root,
    sha,
    strict: options.strict,
    target,
    allowedOrigin: originOf(options['allowed-origin']),
    smokeKey,
    smokeWaitMs: durationOf('--wait', options.wait),
    opsToken: options['ops-token-file'] && tokenIn(options['ops-token-file']),
    watchMs: durationOf('--watch', options.watch),
    allowDown: options['allow-down'],
    signal,
    progress,
  };
}

function targetOf(options: Options, env: string, environment: Environment): TargetOf {
  if (options.target === 'process')
    return localProcesses(needed('--process-dir', options['process-dir']), portOf(options.port));
  if (options.target === 'helm')
    return helmRelease(
      {
        helm: environment['HELM'] || 'helm',
        name: options['helm-release'],
        namespace: options.namespace ?? `dragonfly-${env}`,
        chart: resolve(root, 'charts/dragonfly'),
        values: options.values ?? [],
        timeoutMs: DEPLOY_TIMEOUT_MS,
      },
      placeOf(options),
    );
  if (options.target === 'gitops')
    return configRepository(
      {
        repository: repositoryOf(options['config-repository']),
        branch: options['config-branch'],
        file: needed('--config-file', options['config-file']),
        key: options['config-key'],
        timeoutMs: DEPLOY_TIMEOUT_MS,
      },
      placeOf(options),
    );
  throw new UsageError('--target: process, helm or gitops.');
}

const placeOf = (options: Options) => ({
  url: baseOf('--url', needed('--url', options.url)),
  opsUrl: options['ops-url'] && baseOf('--ops-url', options['ops-url']),
});

function needed(option: string, value: string | undefined): string {
  if (value) return value;
  throw new UsageError(`${option} is missing.`);
}

/** What is on the command line is seen by all of the machine, and is in the log (SEC-1). */
function repositoryOf(given: string | undefined): string {
  const repository = needed('--config-repository', given);
  const url = URL.parse(repository);
  if (url?.password || (url?.username && /^https?:$/.test(url.protocol)))
    throw new UsageError('--config-repository: no user or password in it; use a credential helper of Git.');
  return repository;
}

function tokenIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`--ops-token-file: ${file} cannot be read.`, { cause: error });
  }
}

function portOf(port: string): number {
  if (/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_533) return Number(port);
  throw new UsageError('--port: the first of four ports, up to 65532.');
}

function durationOf(option: string, given: string): number {
  const { data, success } = duration().safeParse(given);
  if (!success) throw new UsageError(`${option}: a duration such as 90s, from 0s to 1h.`);
  return data;
}
