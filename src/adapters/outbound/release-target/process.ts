import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnv, promisify } from 'node:util';
import type { Deploy, ReleaseTarget } from '#src/application/release/ports.ts';
import { readIfThere } from './read-if-there.ts';
import { type ReadySha, untilReady } from './until-ready.ts';

const run = promisify(execFile);

export interface ProcessOptions {
  /** Absolute. Holds `releases/<sha>`, each installed and built, and `service.env`, the variables of the service. */
  readonly folder: string;
  /** Program and arguments, in the folder of a release. */
  readonly commandOf: (release: string) => readonly [string, ...string[]];
  /** The first of four: two for what serves, and two for what is to take over from it. */
  readonly port: number;
  readonly readySha: ReadySha;
  readonly readyTimeoutMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

const SLOTS = ['blue', 'green'] as const;
type Slot = (typeof SLOTS)[number];

interface Place {
  readonly url: string;
  readonly opsUrl: string;
}

/** What `current.json` says. */
interface Current extends Place {
  readonly sha: string;
  readonly slot: Slot;
}

/** The process id is in its file before anything else happens, whoever is killed when. */
const ANNOUNCED = 'echo $$ >"$0" && exec "$@"';
const POLL_MS = 50;

/**
 * Processes of this machine. The new one serves beside the old one, on ports of its own, before that is asked to end; what is in
 * front of them follows `current.json`.
 */
export function processTarget(options: ProcessOptions): ReleaseTarget {
  const { folder, commandOf, port, readySha, readyTimeoutMs, graceMs } = options;
  const portsOf = (slot: Slot) => ({
    api: port + 2 * SLOTS.indexOf(slot),
    ops: port + 2 * SLOTS.indexOf(slot) + 1,
  });
  const placeOf = (slot: Slot): Place => ({
    url: `http://127.0.0.1:${portsOf(slot).api}`,
    opsUrl: `http://127.0.0.1:${portsOf(slot).ops}`,
  });
  const pidFileOf = (slot: Slot): string => join(folder, `${slot}.pid`);

  async function switchTo(now: Current): Promise<void> {
    const file = currentFileIn(folder);
    await writeFile(`${file}.new`, JSON.stringify(now));
    await rename(`${file}.new`, file);
  }

  /** Of a slot, unless it has ended: another process may have its number then. */
  async function pidOf(slot: Slot): Promise<number | undefined> {
    const pid = Number(await readIfThere(pidFileOf(slot)));
    if (!pid) return undefined;
    // Without such a process ps fails.
    const told = await run('ps', ['-o', 'stat=,args=', '-p', String(pid)]).catch((none: Error) => none);
    const isOurs = 'stdout' in told && told.stdout.includes(folder) && !told.stdout.startsWith('Z');
    return isOurs ? pid : undefined;
  }

  async function stop(slot: Slot): Promise<void> {
    const deadline = performance.now() + graceMs;
    for (let asked = false; ; await sleep(POLL_MS)) {
      const pid = await pidOf(slot);
      if (pid === undefined) break;
      if (!asked) tell(pid, 'SIGTERM');
      else if (performance.now() > deadline) tell(pid, 'SIGKILL');
      asked = true;
    }
    await rm(pidFileOf(slot), { force: true });
  }

  async function start(slot: Slot, sha: string): Promise<ChildProcess> {
    const release = join(folder, 'releases', sha);
    const variables = parseEnv((await readIfThere(join(folder, 'service.env'))) ?? '');
    const log = openSync(join(folder, `${slot}.log`), 'a', 0o600);
    try {
      const child = spawn('sh', ['-c', ANNOUNCED, pidFileOf(slot), ...commandOf(release)], {
        cwd: release,
        env: {
          PATH: process.env['PATH'],
          ...variables,
          DRAGONFLY_GIT_SHA: sha,
          PORT: String(portsOf(slot).api),
          DRAGONFLY_METRICS_PORT: String(portsOf(slot).ops),
        },
        detached: true,
        stdio: ['ignore', log, log],
      });
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }

  async function begin(slot: Slot, { sha, signal }: Deploy): Promise<void> {
    await stop(slot);
    const child = await start(slot, sha);
    const isOver = () => child.exitCode !== null || child.signalCode !== null;
    try {
      await untilReady({ sha, url: placeOf(slot).url, readySha, timeoutMs: readyTimeoutMs, signal, isOver });
    } catch (error) {
      await stop(slot);
      throw new Error(`${sha} does not start: see ${join(folder, `${slot}.log`)}.`, { cause: error });
    }
  }

  return {
    describe: (sha) => `start ${join(folder, 'releases', sha)} beside what serves, then end that`,
    check: async (sha) => await refuseUnbuilt(join(folder, 'releases', sha), commandOf),
    async deploy(deploy) {
      const { sha } = deploy;
      await refuseUnbuilt(join(folder, 'releases', sha), commandOf);
      await mkdir(folder, { recursive: true });
      const before = await currentIn(folder);
      const serves = async (slot: Slot): Promise<boolean> =>
        (await pidOf(slot)) !== undefined && (await readySha(placeOf(slot).url)) === sha;
      const isThere = before !== undefined && before.sha === sha && (await serves(before.slot));
      const slot = isThere ? before.slot : (otherThan(before?.slot) ?? 'blue');
      if (!isThere && !(await serves(slot))) await begin(slot, deploy);
      await switchTo({ sha, slot, ...placeOf(slot) });
      const other = otherThan(slot);
      if (other) await stop(other);
      return `${sha} serves at ${placeOf(slot).url}`;
    },
  };
}

function tell(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

const currentFileIn = (folder: string): string => join(folder, 'current.json');

async function currentIn(folder: string): Promise<Current | undefined> {
  const text = await readIfThere(currentFileIn(folder));
  return text === undefined ? undefined : (JSON.parse(text) as Current);
}

/** Where what serves is now. */
export async function placeOfProcess(folder: string): Promise<Place> {
  const current = await currentIn(folder);
  if (!current) throw new Error(`Nothing was deployed to ${folder} yet.`);
  return current;
}

const otherThan = (slot: Slot | undefined): Slot | undefined => slot && SLOTS.find((other) => other !== slot);

async function refuseUnbuilt(release: string, commandOf: ProcessOptions['commandOf']): Promise<void> {
  try {
    for (const file of commandOf(release).filter((word) => isAbsolute(word))) await access(file);
  } catch (cause) {
    throw new Error(
      `${release} is not there, or not built. Make it: git worktree add --detach it, then npm ci and npm run build in it.`,
      { cause },
    );
  }
}

export const builtService = (release: string): readonly [string, ...string[]] => [
  process.execPath,
  join(release, 'dist/main.js'),
  'all',
];
