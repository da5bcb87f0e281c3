import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';

const NOBODY = 65_534;

/** PostgreSQL refuses to run as root, so root starts every server as nobody; anybody else starts it as himself. */
export const unprivileged: { uid?: number; gid?: number } =
  process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

/** Whether the servers' user can read and search that path, whatever its ancestors allow. */
export function isReachable(path: string): boolean {
  if (unprivileged.uid === undefined) return true;
  return spawnSync('test', ['-r', path, '-a', '-x', path], { ...unprivileged, cwd: '/' }).status === 0;
}

/** Makes a folder that only the servers' user can enter. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  giveAway(path);
}

/** Makes the servers' user the owner. */
export function giveAway(path: string): void {
  if (unprivileged.uid !== undefined && unprivileged.gid !== undefined) {
    chownSync(path, unprivileged.uid, unprivileged.gid);
  }
}
