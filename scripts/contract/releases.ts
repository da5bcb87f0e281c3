import { git, lastRelease } from '../releases.ts';

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
  const last = await lastRelease(folder);
  if (last === undefined) return [];
  const before = await lastRelease(folder, 'HEAD^').catch(() => undefined); // What is cut off is not compared.
  return await Promise.all(
    [...new Set([last, before])]
      .filter((tag) => tag !== undefined)
      .map(async (tag) => ({ tag, text: await git(folder, 'show', `${tag}:${path}`) })),
  );
}
