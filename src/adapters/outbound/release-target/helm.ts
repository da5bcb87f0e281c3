import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ReleaseTarget } from '#src/application/release/ports.ts';

const execute = promisify(execFile);

export interface HelmOptions {
  /** The program. */
  readonly helm: string;
  /** Of Helm's release. */
  readonly name: string;
  readonly namespace: string;
  readonly chart: string;
  readonly values: readonly string[];
  readonly timeoutMs: number;
}

/** A cluster, by the chart. Helm goes back by itself when the pods do not become ready. */
export function helmTarget({ helm, name, namespace, chart, values, timeoutMs }: HelmOptions): ReleaseTarget {
  const run = async (args: readonly string[], signal?: AbortSignal): Promise<string> =>
    (await execute(helm, [...args], { ...(signal && { signal }), maxBuffer: 64 * 1024 * 1024 })).stdout;
  const inNamespace = ['--namespace', namespace] as const;
  const upgradeTo = (sha: string): string[] => [
    'upgrade',
    '--install',
    name,
    chart,
    ...inNamespace,
    ...values.flatMap((file) => ['--values', file]),
    // By the tag alone; and the release has migrated already.
    '--set-string',
    `image.tag=${sha},image.digest=`,
    '--set',
    'migrate.enabled=false',
  ];
  const wait = ['--wait', '--timeout', `${Math.round(timeoutMs / 1000)}s`] as const;

  /** Helm refuses everything while an operation has not ended, and that of a process that was killed never does. */
  async function mend(signal: AbortSignal): Promise<void> {
    const status = await statusOf(run, name, inNamespace);
    if (status === 'pending-install') await run(['uninstall', name, ...inNamespace, ...wait], signal);
    else if (status?.startsWith('pending-')) await run(['rollback', name, ...inNamespace, ...wait], signal);
  }

  return {
    describe: (sha) => `helm upgrade --install ${name} in ${namespace}, with the image ${sha}`,
    async check(sha, signal) {
      majorOf(await run(['version', '--short'], signal));
      const status = await statusOf(run, name, inNamespace);
      // Before what is pending is mended, Helm would refuse the dry run, too.
      if (!status?.startsWith('pending-')) await run([...upgradeTo(sha), '--dry-run'], signal);
    },
    async deploy({ sha, signal }) {
      await mend(signal);
      const backByItself =
        majorOf(await run(['version', '--short'])) >= 4 ? '--rollback-on-failure' : '--atomic';
      await run([...upgradeTo(sha), backByItself, ...wait], signal);
      return `${name} in ${namespace} has the image ${sha}`;
    },
  };
}

/** Undefined where there is no such release yet. */
async function statusOf(
  run: (args: readonly string[]) => Promise<string>,
  name: string,
  inNamespace: readonly string[],
): Promise<string | undefined> {
  try {
    const status: unknown = JSON.parse(await run(['status', name, ...inNamespace, '--output', 'json']));
    return (status as { readonly info: { readonly status: string } }).info.status;
  } catch (error) {
    if (error instanceof Error && error.message.includes('release: not found')) return undefined;
    throw error;
  }
}

function majorOf(version: string): number {
  const major = /^v?(\d+)\./.exec(version.trim())?.[1];
  if (major === undefined) throw new Error(`Helm's version is not understood: ${version.trim()}.`);
  return Number(major);
}
