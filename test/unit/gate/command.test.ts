import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { gate } from './scratch.ts';

const root = resolve(import.meta.dirname, '../../..');

/** The real gate, whose first checks take seconds. */
function start(...options: string[]): ChildProcess {
  const child = spawn(process.execPath, ['src/main.ts', 'gate', '--env', 'dev', ...options], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: process.env['TMPDIR'] },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** Process groups of the checks, each led by a child of the gate. */
const groupsOf = (gate: number): number[] =>
  stats()
    .filter(({ parent, pid, group }) => parent === gate && pid === group)
    .map(({ pid }) => pid);

const membersOf = (groups: readonly number[]): number[] =>
  stats()
    .filter(({ group, state }) => groups.includes(group) && state !== 'Z')
    .map(({ pid }) => pid);

function stats() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const line = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state = '', parent, group] = line.slice(line.lastIndexOf(')') + 2).split(' ');
        return [{ pid: Number(name), state, parent: Number(parent), group: Number(group) }];
      } catch {
        return []; // It has ended since the folder was read.
      }
    });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It has ended.
  }
}

describe('[DEP-2] dragonfly gate', () => {
  it.each([
    ['SIGTERM', { code: 1, said: 'The gate was stopped by SIGTERM' }],
    ['SIGINT', { code: 1, said: 'The gate was stopped by SIGINT' }],
    ['SIGKILL', { code: null, said: '' }],
  ] as const)('stopped by %s takes its checks along', async (signal, { code, said }) => {
    const child = start();
    const running = () => groupsOf(child.pid ?? 0).filter((group) => membersOf([group]).length > 2);
    await expect.poll(running, { timeout: 20_000 }).not.toHaveLength(0);
    const groups = groupsOf(child.pid ?? 0);
    const stderr = text(child.stderr ?? Readable.from([]));
    child.kill(signal);
    expect((await once(child, 'close'))[0]).toBe(code);
    expect(await stderr).toContain(said);
    await expect.poll(() => membersOf(groups), { timeout: 10_000 }).toEqual([]);
  });

  it('leaves no report of before when it does not come to its end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gate-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const report = join(folder, 'report.json');
    writeFileSync(report, '{"passed": true}');
    const child = start('--report', report);
    await expect.poll(() => groupsOf(child.pid ?? 0), { timeout: 20_000 }).not.toHaveLength(0);
    child.kill('SIGTERM');
    await once(child, 'close');
    expect(existsSync(report)).toBe(false);
  });

  it('for a release takes for granted, as within it, what the release brings', async () => {
    const child = start('--env', 'staging', '--releasing');
    const commands = () =>
      stats()
        .filter(({ parent }) => parent === child.pid)
        .map(({ pid }) => commandOf(pid));
    await expect
      .poll(commands, { timeout: 10_000 })
      .toContainEqual(expect.stringContaining('doctor --json --expect audit-seal,database-size'));
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  it('wants to know whose gate it is, and where a report can be written', async () => {
    await expect(invoke(['gate'], {})).rejects.toThrow('--env: whose gate it is');
    const unwritable = invoke(['gate', '--env', 'dev', '--report', '/no/folder/report.json'], {});
    await expect(unwritable).rejects.toThrow(UsageError);
    await expect(unwritable).rejects.toThrow('--report: /no/folder/report.json cannot be written');
  });

  it('says that it needs a checkout', async () => {
    const image = mkdtempSync(join(tmpdir(), 'image-'));
    onTestFinished(() => rmSync(image, { recursive: true }));
    await expect(gate(image, {})).rejects.toThrow('of a checkout, and this is none');
  });
});
