import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/opt/homebrew/bin'];

/** The path of a program, looked for in PATH, in the places where systems keep servers, and in `further` folders. */
export function findProgram(name: string, further: readonly string[] = []): string | undefined {
  const folders = [...further, ...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_PATH];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // Missing or not ours to run: the next folder may have it.
  }
}
