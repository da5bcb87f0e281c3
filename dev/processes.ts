import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

interface ProcessStatus {
  readonly parent: number;
  /** Together with the process id it identifies a process for good: process ids are reused. */
  readonly started: string;
}

/** What the system knows of a process; undefined when there is none. */
export function processStatus(pid: number): ProcessStatus | undefined {
  try {
    return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
  } catch {
    return undefined; // No such process.
  }
}

/** Whether that process is a shell that runs one command, as npm starts a script. */
export function isShellCommand(pid: number): boolean {
  try {
    const [program = '', option] =
      process.platform === 'linux'
        ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        : ps(pid, 'command').split(' ');
    return /(?:^|\/)(?:ba|da|z)?sh$/.test(program) && option === '-c';
  } catch {
    return false; // No such process.
  }
}

/** The name, in parentheses, may contain anything, so fields are counted from behind it. A zombie is no process. */
function fromProc(pid: number): ProcessStatus | undefined {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : { parent: Number(fields[1]), started: fields[19] ?? '' };
}

function fromPs(pid: number): ProcessStatus {
  const [, parent, started = ''] = /^(\d+)\s+(.+)$/.exec(ps(pid, 'ppid', 'lstart')) ?? [];
  return { parent: Number(parent), started };
}

const ps = (pid: number, ...columns: string[]): string =>
  execFileSync('ps', [...columns.flatMap((name) => ['-o', `${name}=`]), '-p', String(pid)], {
    encoding: 'utf8',
  }).trim();
