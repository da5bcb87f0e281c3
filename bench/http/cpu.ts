import { globSync, readFileSync } from 'node:fs';
import { platform } from 'node:os';

/** Processor time that these processes have used since they began, all their threads, in seconds. Linux only. */
export function cpuSeconds(pids: readonly number[]): number {
  if (platform() !== 'linux') throw new Error('Processor time is read from /proc, which only Linux has.');
  return pids.reduce((sum, pid) => sum + nanosecondsOf(pid), 0) / 1e9;
}

const nanosecondsOf = (pid: number): number =>
  globSync(`/proc/${pid}/task/*/schedstat`).reduce((sum, path) => sum + onCpu(path), 0);

function onCpu(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[0]);
  } catch {
    return 0; // A thread that has just ended.
  }
}
