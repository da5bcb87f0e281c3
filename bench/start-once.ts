import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Started {
  /** From spawning the process to its first 200 on /health. */
  readonly ms: number;
  /** Resident memory a second later. */
  readonly MB: number;
}

/** Starts a process, measures it and stops it. @throws Error when it ends before it answers */
export async function startOnce(
  cwd: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<Started> {
  const begin = performance.now();
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const exit = once(child, 'exit');
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended before it answered.`);
    await sleep(1);
  }
  const ms = Math.round(performance.now() - begin);
  await sleep(1000);
  const MB = residentMegabytes(child.pid);
  child.kill('SIGTERM');
  await exit;
  return { ms, MB };
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: '/health', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });

/** Linux only. */
function residentMegabytes(pid: number | undefined): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}
