import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface MountedSecret {
  readonly folder: string;
  pathOf(key: string): string;
  /** All keys at once, as the kubelet does it: a new folder, and the link `..data` to it swapped by a rename. */
  swap(contents: Readonly<Record<string, string>>): void;
}

/** A Secret as Kubernetes mounts it, until the calling test ends. */
export function mountedSecret(contents: Readonly<Record<string, string>>): MountedSecret {
  const folder = mkdtempSync(join(tmpdir(), 'dragonfly-mounted-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  let version = 0;
  const swap = (next: Readonly<Record<string, string>>): void => {
    const name = `..${(version += 1)}`;
    mkdirSync(join(folder, name));
    for (const [key, text] of Object.entries(next)) writeFileSync(join(folder, name, key), text);
    symlinkSync(name, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    rmSync(join(folder, `..${version - 1}`), { recursive: true, force: true });
  };
  swap(contents);
  for (const key of Object.keys(contents)) symlinkSync(join('..data', key), join(folder, key));
  return { folder, swap, pathOf: (key) => join(folder, key) };
}
