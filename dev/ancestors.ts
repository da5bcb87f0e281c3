import { isShellCommand, processStatus } from './processes.ts';

const INTERVAL_MS = 250;

/**
 * Calls back when npm, which runs this process, has died: a SIGKILL of npm reaches nobody else. Between npm and its script
 * there may be a shell, which does not notice either. Without npm nothing is watched: then whoever started this decides.
 */
export function watchAncestors(onDeath: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const shell = isShellCommand(parent);
  const grandparent = shell ? processStatus(parent)?.parent : undefined;
  const timer = setInterval(() => {
    const same = process.ppid === parent && (!shell || processStatus(parent)?.parent === grandparent);
    if (same) return;
    clearInterval(timer);
    onDeath();
  }, INTERVAL_MS);
  timer.unref();
}
