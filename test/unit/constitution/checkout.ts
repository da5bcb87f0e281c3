import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const run = promisify(execFile);
/** Whoever runs this in a hook of Git has variables that point at that repository. */
const ENVIRONMENT = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'))),
  GIT_CONFIG_GLOBAL: '/dev/null',
};
const GATE = "step 'check' .ci/check\n";

/** A repository of its own with these files, committed. */
export async function checkout(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'constitution-'));
  onTestFinished(async () => {
    await rm(folder, { recursive: true });
  });
  await write(folder, { '.ci/run': GATE, '.gitignore': '.dragonfly/\nnode_modules\n', ...files });
  await mkdir(join(folder, 'node_modules'));
  await git(folder, 'init', '--quiet');
  await commit(folder);
  return folder;
}

export async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** @returns the hash of the commit */
export async function commit(folder: string): Promise<string> {
  await git(folder, 'add', '.');
  await git(folder, 'commit', '--quiet', '--allow-empty', '--message', 'A change');
  return await git(folder, 'rev-parse', 'HEAD');
}

export async function git(folder: string, ...options: string[]): Promise<string> {
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com'];
  const { stdout } = await run('git', [...identity, ...options], { cwd: folder, env: ENVIRONMENT });
  return stdout.trim();
}
