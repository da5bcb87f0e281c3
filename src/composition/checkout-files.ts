import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const root = resolve(import.meta.dirname, '../..');
const MOST_BYTES = 64 * 1024 * 1024;

/** The files that Git knows of; undefined where there is no checkout, as in the image. */
export async function trackedFiles(): Promise<string[] | undefined> {
  if (!existsSync(join(root, '.git'))) return undefined;
  const { stdout } = await promisify(execFile)('git', ['ls-files', '-z'], {
    cwd: root,
    maxBuffer: MOST_BYTES,
  });
  return stdout.split('\0').filter((name) => name !== '');
}
