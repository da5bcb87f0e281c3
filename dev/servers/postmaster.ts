import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Tells when the postmaster that is started next on that data folder accepts connections. Its pid file says so in line 8;
 * the file of a killed predecessor must stay, because PostgreSQL finds processes that survived by it.
 */
export function isPostmasterReady(data: string): () => boolean {
  const before = identityOf(readPidFile(data));
  return () => {
    const lines = readPidFile(data);
    return lines[7]?.trim() === 'ready' && identityOf(lines) !== before;
  };
}

/** Stops a postmaster that survived its owner and its guardian. */
export async function stopStalePostmaster(data: string): Promise<void> {
  const pid = Number(readPidFile(data)[0]);
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!servesFolder(pid, data)) return;
    process.kill(pid, signal);
    const deadline = Date.now() + 4000;
    while (servesFolder(pid, data) && Date.now() < deadline) await sleep(25);
  }
}

function readPidFile(data: string): string[] {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Process id and start time. */
const identityOf = (lines: readonly string[]): string => `${lines[0]} ${lines[2]}`;

/** Process ids are reused, so the process is asked whether it works in that folder. */
function servesFolder(pid: number, data: string): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  try {
    if (process.platform === 'linux') return readlinkSync(`/proc/${pid}/cwd`) === data;
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).includes(data);
  } catch {
    return false; // There is no such process any more, or it is not ours to look at.
  }
}
