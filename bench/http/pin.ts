import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { findProgram } from '../../dev/servers/programs.ts';

const taskset = cpus().length > 1 ? findProgram('taskset') : undefined;

export const pinned = taskset !== undefined;

/** The command line that runs a program on core 0, which is the measured server's alone. */
export const onServerCore = (program: string, args: readonly string[]): readonly [string, string[]] =>
  taskset === undefined ? [program, [...args]] : [taskset, ['--cpu-list', '0', program, ...args]];

/** Moves this process, and with it whatever it starts (load, database, Redis), to core 1. */
export function leaveServerCore(): void {
  if (taskset !== undefined)
    spawnSync(taskset, ['--all-tasks', '--cpu-list', '--pid', '1', String(process.pid)]);
}
