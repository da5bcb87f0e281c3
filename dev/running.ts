import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStatus } from './processes.ts';

/** The one supervisor of a checkout, as written down for the next one that is started there. */
export interface Running {
  readonly pid: number;
  /** Empty until the app is ready. */
  readonly api: string;
}

interface Entry extends Running {
  readonly started: string | undefined;
}

export interface Claim {
  /** Tells where the app is. */
  update(api: string): void;
  release(): void;
}

/** Claims the state folder for this process, or says who has it. A claim of a process that was killed is taken over. */
export function claimFolder(state: string): Claim | Running {
  const file = join(state, 'running.json');
  const entry = { pid: process.pid, started: processStatus(process.pid)?.started };
  const write = (path: string, flag: 'w' | 'wx', api: string): void =>
    writeFileSync(path, JSON.stringify({ ...entry, api } satisfies Entry), { mode: 0o600, flag });
  for (;;) {
    try {
      write(file, 'wx', '');
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const other = readEntry(file);
    if (other && processStatus(other.pid)?.started === other.started) return other;
    rmSync(file, { force: true });
  }
  return {
    update: (api) => {
      write(`${file}.new`, 'w', api);
      renameSync(`${file}.new`, file);
    },
    release: () => rmSync(file, { force: true }),
  };
}

function readEntry(file: string): Entry | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Entry;
  } catch {
    return undefined; // Gone in the meantime, or cut short by a crash.
  }
}
