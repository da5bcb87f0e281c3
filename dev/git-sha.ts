import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CHECKOUT } from './servers/state-directory.ts';

const run = promisify(execFile);

/** The checked-out commit, with `-dirty` when files differ from it; `unknown` without Git. */
export async function gitSha(): Promise<string> {
  try {
    const [head, status] = await Promise.all([
      run('git', ['rev-parse', 'HEAD'], { cwd: CHECKOUT }),
      run('git', ['status', '--porcelain'], { cwd: CHECKOUT }),
    ]);
    return `${head.stdout.trim()}${status.stdout === '' ? '' : '-dirty'}`;
  } catch {
    return 'unknown'; // No git program, no repository or no commit: all the same to the app.
  }
}
