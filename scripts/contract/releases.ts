import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Release {
  readonly tag: string;
  /** Of its contract; undefined when the release had none. */
  readonly text: string | undefined;
}

/**
 * The last release, and where HEAD is one itself, the one before too: what a release breaks is broken before it is tagged.
 *
 * @throws Error in a checkout whose history is cut off before any release
 */
export async function lastReleases(folder: string, path: string): Promise<Release[]> {
  const git = async (...options: string[]): Promise<string | undefined> =>
    await run('git', options, { cwd: folder, maxBuffer: 2 ** 26 }).then(
      ({ stdout }) => stdout,
      () => undefined,
    );
  const tagOf = async (commit: string): Promise<string | undefined> =>
    (await git('describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*', commit))?.trim();

  const tags = [await tagOf('HEAD'), await tagOf('HEAD^')].filter((tag) => tag !== undefined);
  if (tags.length === 0 && (await git('rev-parse', '--is-shallow-repository'))?.trim() === 'true') {
    throw new Error('This checkout is shallow, its releases cannot be seen: git fetch --unshallow --tags');
  }
  return await Promise.all(
    [...new Set(tags)].map(async (tag) => ({ tag, text: await git('show', `${tag}:${path}`) })),
  );
}
