import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { invoke } from '#src/composition/cli/invoke.ts';
import { describe, expect, it, vi } from 'vitest';

// Each starts a process or two.
vi.setConfig({ testTimeout: 60_000 });

const MAIN = resolve(import.meta.dirname, '../../../src/main.ts');
const ESCAPE = '\u001B';
const COLOR = `${ESCAPE}[31m`;
/** Fails at once: there is no variable and no service. */
const AUDIT = ['security-audit', '--url', 'http://127.0.0.1:1'];

function dragonfly(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const env = { PATH: process.env['PATH'], ...environment };
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env });
}

/** On a terminal, which shows both streams. */
function onTerminal(args: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
  const env = { PATH: process.env['PATH'], TERM: 'xterm-256color', ...environment };
  const line = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  return spawnSync('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    encoding: 'utf8',
    env,
  }).stdout;
}

const hasTerminal = spawnSync('script', ['--version']).error === undefined;

describe('a command that takes longer', () => {
  it('says what it does on the standard error, without a terminal, too, and plainly', () => {
    const { status, stdout, stderr } = dragonfly(AUDIT);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^looking at .+\n$/);
    expect(stdout).toContain('critical');
    expect(stdout + stderr).not.toContain(ESCAPE);
  });

  it('says nothing beside JSON', () => {
    const { stdout, stderr } = dragonfly([...AUDIT, '--json']);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ status: 'fail' });
  });

  it.skipIf(!hasTerminal)('has colours on a terminal, unless it is asked for none', () => {
    expect(onTerminal(AUDIT)).toContain(COLOR);
    expect(onTerminal(AUDIT, { NO_COLOR: '1' })).not.toContain(ESCAPE);
  });
});

describe('a role', () => {
  it('takes --env, and starts as that environment', () => {
    const { status, stderr } = dragonfly(['all', '--env', 'staging'], { DRAGONFLY_GIT_SHA: 'unknown' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^The configuration has \d+ fault/);
    expect(stderr).toContain('DRAGONFLY_GIT_SHA: outside dev');
  });

  it.each(['api', 'worker', 'all'])('%s refuses what it does not know', async (role) => {
    await expect(invoke([role, '--prot', '1'], {})).rejects.toThrow(
      new RegExp(`\nUsage: dragonfly ${role}$`),
    );
    await expect(invoke([role, 'now'], {})).rejects.toThrow('Not understood: now.');
  });
});
