import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What git says, or undefined where it refuses. */
export const git = async (folder: string, ...options: string[]): Promise<string | undefined> =>
  await run('git', options, { cwd: folder, maxBuffer: 2 ** 26 }).then(
    ({ stdout }) => stdout,
    () => undefined,
  );

/**
 * The tag of the last release of a commit, if there is one.
 *
 * @throws Error in a checkout whose history is cut off before any release
 */
export async function lastRelease(folder: string, commit = 'HEAD'): Promise<string | undefined> {
  const tag = await git(folder, 'describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*', commit);
  if (tag !== undefined) return tag.trim();
  if ((await git(folder, 'rev-parse', '--is-shallow-repository'))?.trim() !== 'true') return undefined;
  throw new Error('This checkout is shallow, its releases cannot be seen: git fetch --unshallow --tags');
}
