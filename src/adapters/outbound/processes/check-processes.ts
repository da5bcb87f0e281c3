import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { CheckProcesses, GateCheck } from '#src/application/gate/check.ts';
import { guarded } from './guarded.ts';

interface Options {
  /** Working folder of every check. */
  readonly root: string;
  /** Of this run alone, for what they print. */
  readonly folder: string;
  readonly environmentOf: (check: GateCheck) => NodeJS.ProcessEnv;
}

const TAIL_LINES = 20;

/** Checks as processes that never outlive this one; what they print goes to files, so that no pipe keeps anybody waiting. */
export function checkProcesses({ root, folder, environmentOf }: Options): CheckProcesses {
  return {
    async run(check, signal) {
      const log = join(folder, `${check.name}.log`);
      const output = join(folder, `${check.name}.${check.verdict === 'findings' ? 'json' : 'log'}`);
      const start = performance.now();
      const child = begin(check, { cwd: root, env: environmentOf(check), output, log });
      let timedOut = false;
      const release = () => child.stdin?.end();
      const timer = setTimeout(() => {
        timedOut = true;
        release();
      }, check.timeoutMs);
      signal.addEventListener('abort', release);
      try {
        const [code, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
        return {
          code: code ?? 128 + constants.signals[by ?? 'SIGKILL'],
          timedOut,
          output: readFileSync(output, 'utf8'),
          tail: lastLines(log),
          log,
          ms: performance.now() - start,
        };
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', release);
        endGroup(child);
      }
    },
  };
}

interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly output: string;
  readonly log: string;
}

function begin({ command }: GateCheck, { cwd, env, output, log }: Place): ChildProcess {
  const files = [output, log].map((file) => openSync(file, 'a', 0o600)) as [number, number];
  try {
    const child = spawn(...guarded(command), { cwd, env, detached: true, stdio: ['pipe', ...files] });
    // The guardian may have ended already when its leash is let go.
    child.stdin?.on('error', () => {});
    return child;
  } finally {
    for (const file of files) closeSync(file);
  }
}

/** What the command left behind. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    return; // Nothing was left, as it should be.
  }
}

const lastLines = (file: string): string =>
  stripVTControlCharacters(readFileSync(file, 'utf8')).trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
