import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Deploy, ReleaseTarget } from '#src/application/release/ports.ts';
import { type ReadySha, untilReady } from './until-ready.ts';
import { hasYamlValue, withYamlValue } from './yaml-value.ts';

const execute = promisify(execFile);

export interface GitopsOptions {
  /** Where Git finds it. */
  readonly repository: string;
  readonly branch: string;
  /** In the repository. */
  readonly file: string;
  /** Of the tag of the image in that file, as `image.tag`. */
  readonly key: string;
  /** Of the service. */
  readonly url: string;
  readonly readySha: ReadySha;
  readonly timeoutMs: number;
  /** In a row, until it is believed that no replica of before answers any more. */
  readonly sightings: number;
}

/** Somebody else may push at the same time. */
const TRIES = 5;

/** Git is the truth (K8S-6): a commit says what is to serve, and something in the cluster makes it so. */
export function gitopsTarget(options: GitopsOptions): ReleaseTarget {
  const { repository, branch, file, key, url, readySha, timeoutMs, sightings } = options;
  return {
    describe: (sha) => `commit ${key} = ${sha} in ${file} of ${repository}, then wait until ${url} serves it`,
    check: async (sha, signal) =>
      await inClone(options, signal, async ({ git, text }) => {
        withImage(text, key, sha);
        await git('push', '--quiet', '--dry-run', 'origin', `HEAD:${branch}`);
      }),
    async deploy({ sha, id, signal, progress }) {
      const said = await commit(options, { sha, id, signal });
      progress(said);
      await untilReady({ sha, url, readySha, timeoutMs, sightings, signal });
      return said;
    },
  };
}

type Repository = Pick<GitopsOptions, 'repository' | 'branch' | 'file' | 'key'>;

interface Clone {
  readonly git: (...args: readonly string[]) => Promise<string>;
  /** Absolute, and what the file says. */
  readonly path: string;
  readonly text: string;
}

/** In a clone that is made for it: whoever was killed leaves nothing that has to be mended. */
async function inClone<T>(
  { repository, branch, file }: Repository,
  signal: AbortSignal,
  work: (clone: Clone) => Promise<T>,
): Promise<T> {
  const cwd = await mkdtemp(join(tmpdir(), 'dragonfly-gitops-'));
  // Nobody is asked for a password, and what Git says is looked for words.
  const env = { ...process.env, GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' };
  const git: Clone['git'] = async (...args) =>
    (await execute('git', args, { cwd, signal, env })).stdout.trim();
  try {
    await git('clone', '--quiet', '--depth', '1', '--branch', branch, '--', repository, '.');
    const path = join(cwd, file);
    return await work({ git, path, text: await readFile(path, 'utf8') });
  } finally {
    await rm(cwd, { recursive: true });
  }
}

async function commit(to: Repository, deploy: Pick<Deploy, 'sha' | 'id' | 'signal'>): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await inClone(to, deploy.signal, async (clone) => await commitIn(clone, to, deploy));
    } catch (error) {
      if (attempt === TRIES || !isOvertaken(error)) throw error;
    }
  }
}

/** @throws Error where a digest beside the tag would keep the image of before */
function withImage(text: string, key: string, sha: string): string {
  const digest = key.replace(/[^.]+$/, 'digest');
  if (digest !== key && hasYamlValue(text, digest))
    throw new Error(`${digest} is set, and decides instead of ${key}: take it out of the file.`);
  return withYamlValue(text, key, sha);
}

async function commitIn(
  { git, path, text }: Clone,
  { branch, file, key }: Repository,
  { sha, id }: Pick<Deploy, 'sha' | 'id'>,
): Promise<string> {
  const after = withImage(text, key, sha);
  if (after === text) return `${file} of ${branch} has ${key} = ${sha} already`;
  await writeFile(path, after);
  await git('config', 'user.name', 'dragonfly release');
  await git('config', 'user.email', 'dragonfly-release@localhost');
  await git('commit', '--quiet', '--message', `Release ${sha}\n\nDeployment: ${id}`, '--', file);
  await git('push', '--quiet', 'origin', `HEAD:${branch}`);
  return `${await git('rev-parse', 'HEAD')} of ${branch} says ${key} = ${sha}`;
}

const OVERTAKEN =
  /\b(?:fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value provided)\b/;

const isOvertaken = (error: unknown): boolean => error instanceof Error && OVERTAKEN.test(error.message);
