// Lets Git find .githooks (SEC-1). `npm ci` runs it, with any Node. It says and does nothing in CI, without Git, in a linked
// worktree (its main checkout decides), and where hooks are in use already: those are not ours to replace.
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const git = (...args) => execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

function hasHooksPath() {
  try {
    return git('config', '--get', 'core.hooksPath') !== '';
  } catch (error) {
    if (error.status === 1) return false; // Git's answer for what is not set.
    throw error;
  }
}

const hasHooks = (folder) =>
  existsSync(folder) && readdirSync(folder).some((name) => !name.endsWith('.sample'));

try {
  const isCheckout = lstatSync('.git', { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!process.env.CI && isCheckout && !hasHooksPath() && !hasHooks(join('.git', 'hooks'))) {
    git('config', '--local', 'core.hooksPath', '.githooks');
  }
} catch {
  // An install does not fail because of a hook: the scan of CI remains.
}
