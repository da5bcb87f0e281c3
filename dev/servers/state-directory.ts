import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { isReachable, makePrivateDirectory, unprivileged } from './unprivileged.ts';

export const CHECKOUT = resolve(import.meta.dirname, '../..');

/**
 * The folder in which everything lives that dev and tests leave behind: `.dragonfly` in the checkout. Servers that root
 * starts as nobody may be unable to reach a checkout (under /root, say); then it is a folder of the system's state
 * directory, one for each checkout.
 */
export function stateDirectory(): string {
  const directory = isReachable(CHECKOUT) ? join(CHECKOUT, '.dragonfly') : systemDirectory();
  // Nobody must be able to pass through root's folder to the servers' folders in it.
  mkdirSync(directory, { recursive: true, mode: unprivileged.uid === undefined ? 0o700 : 0o711 });
  return directory;
}

/** A path for the folder of a server of a test run. Folders of killed runs are removed on this occasion. */
export function temporaryDirectory(name: string): string {
  const parent = join(stateDirectory(), 'test');
  makePrivateDirectory(parent);
  for (const folder of readdirSync(parent)) {
    if (!isRunning(Number.parseInt(folder, 10)))
      rmSync(join(parent, folder), { recursive: true, force: true });
  }
  return join(parent, `${process.pid}-${name}-${randomBytes(4).toString('hex')}`);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function systemDirectory(): string {
  const hash = createHash('sha256').update(CHECKOUT).digest('hex').slice(0, 12);
  return join('/var/lib/dragonfly', `${basename(CHECKOUT)}-${hash}`);
}
