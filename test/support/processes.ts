import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** Command lines by process id. */
export type Processes = ReadonlyMap<number, string>;

/** The processes that work in a folder, or on files of it. From /proc, so on Linux only. */
export function processesOf(directory: string): Processes {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), commandIn(directory, name)] as const);
  return new Map(found.filter((entry): entry is [number, string] => entry[1] !== undefined));
}

function commandIn(directory: string, pid: string): string | undefined {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    // A zombie has no command line any more.
    if (command === '') return undefined;
    const inside = readlinkSync(`/proc/${pid}/cwd`).startsWith(directory) || command.includes(directory);
    return inside ? command : undefined;
  } catch {
    return undefined; // It has ended since the folder was read.
  }
}

/** The one process of those whose command line matches. A child has its parent's for a moment after its birth. */
export function processOf(processes: Processes, command: RegExp): number {
  const matching = [...processes].filter(([, text]) => command.test(text)).map(([pid]) => pid);
  const pids = matching.filter((pid) => !matching.includes(parentOf(pid)));
  if (pids.length !== 1) throw new Error(`${pids.length} processes match ${String(command)}.`);
  return Number(pids[0]);
}

/** The TCP ports on which somebody listens, or only the ones on which these processes do. */
export function listeningPorts(processes?: Processes): number[] {
  const sockets = processes && new Set([...processes.keys()].flatMap(socketsOf));
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((table) => readFileSync(table, 'utf8').trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode = '']) => state === LISTEN && (sockets?.has(inode) ?? true))
    .map(([, address = '']) => Number.parseInt(address.slice(address.indexOf(':') + 1), 16));
}

const LISTEN = '0A';

/** Inodes, as in the tables of /proc/net. */
function socketsOf(pid: number): string[] {
  return filesOf(pid).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return []; // Closed in the meantime.
    }
  });
}

function filesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return []; // It has ended in the meantime.
  }
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return Number.NaN; // It has ended meanwhile.
  }
}
