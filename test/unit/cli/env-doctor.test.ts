import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import type { Environment } from '#src/config/load.ts';
import { COMPLETE } from '../config/environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'dragonfly-env-doctor-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const canaryFile = join(folder, 'canary');
writeFileSync(canaryFile, 'canary');

const fileOf = (environment: Environment): string => {
  const path = join(folder, `${Object.keys(environment).length}-${Math.random()}.env`);
  writeFileSync(
    path,
    Object.entries(environment)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
  );
  return path;
};

async function examine(environment: Environment, ...args: string[]) {
  const { output, code } = await invoke(['env-doctor', ...args], environment);
  const secrets = Object.entries(environment).filter(
    ([name, value]) => value && /URL|SECRET|KEY$/.test(name),
  );
  for (const [, value] of secrets) expect(output).not.toContain(value);
  return { output, code };
}

describe('[DEP-6] `dragonfly env-doctor`', () => {
  it('accepts a complete environment, and warns of secrets that cannot be rotated', async () => {
    const { output, code } = await examine(COMPLETE);
    expect(code).toBe(0);
    expect(output).toMatch(/variable: \d+ variables are as the schema says/);
    expect(output).toMatch(/credential-source: .*DRAGONFLY_WEBHOOK_SECRET/);
    expect(await examine(COMPLETE, '--strict')).toMatchObject({ code: 1 });
  });

  it.each<[string, Environment, RegExp]>([
    ['a missing one', { DRAGONFLY_WORKER_DATABASE_URL: '' }, /DRAGONFLY_WORKER_DATABASE_URL: required/],
    ['an invalid one', { PORT: 'canary-3000' }, /PORT: /],
    ['an unknown one', { DRAGONFLY_PRT: '1' }, /DRAGONFLY_PRT: unknown; the nearest known name is /],
    ['an example secret', { DRAGONFLY_WEBHOOK_SECRET: 'changeme' }, /DRAGONFLY_WEBHOOK_SECRET: /],
    [
      'values that contradict each other',
      { DRAGONFLY_API_ROLE: 'other' },
      /DRAGONFLY_API_DATABASE_URL: its user/,
    ],
  ])('finds %s, without its value', async (_, changes, expected) => {
    const { output, code } = await examine({ ...COMPLETE, ...changes });
    expect(code).toBe(1);
    expect(output).toMatch(expected);
    expect(output).not.toMatch(/canary|changeme/);
  });

  it.each([
    ['LOG_LEVLE', 'LOG_LEVEL'],
    ['DRAGONFY_ENV', 'DRAGONFLY_ENV'],
    ['log_level', 'LOG_LEVEL'],
  ])('takes %s for a misspelt %s', async (name, meant) => {
    const { output } = await examine({ ...COMPLETE, [name]: 'x' });
    expect(output).toContain(`near-miss: ${name}: nobody reads it; is ${meant} meant?`);
  });

  it.each<[string, Environment, RegExp]>([
    ['smoke', { DRAGONFLY_SMOKE_KEY: 'canary' }, /DRAGONFLY_SMOKE_KEY: /],
    ['backup', { DRAGONFLY_BACKUP_DATABASE_URL: 'canary' }, /DRAGONFLY_BACKUP_DATABASE_URL: /],
    ['scratch', { DRAGONFLY_ADMIN_DATABASE_URL: 'mysql://canary' }, /DRAGONFLY_ADMIN_DATABASE_URL: /],
    ['jobs', { DRAGONFLY_API_URL: 'canary' }, /DRAGONFLY_API_URL: /],
    ['smoke, from a file', { DRAGONFLY_SMOKE_KEY_FILE: canaryFile }, /DRAGONFLY_SMOKE_KEY: /],
    [
      'scratch, whose file is missing',
      { DRAGONFLY_ADMIN_DATABASE_URL: '', DRAGONFLY_ADMIN_DATABASE_URL_FILE: '/nowhere/canary' },
      /DRAGONFLY_ADMIN_DATABASE_URL_FILE: /,
    ],
  ])('finds what is wrong of a role that it was not asked for: %s', async (_, changes, expected) => {
    const { output, code } = await examine({ ...COMPLETE, ...changes }, '--roles', 'api');
    expect(code).toBe(1);
    expect(output).toMatch(expected);
    expect(output).not.toMatch(/: canary/);
  });

  it('misses nothing of a role that it was not asked for', async () => {
    const { DRAGONFLY_WORKER_DATABASE_URL: _, ...rest } = COMPLETE;
    expect(await examine({ ...rest, DRAGONFLY_BACKUP_DATABASE_URL: '' }, '--roles', 'api')).toMatchObject({
      code: 0,
    });
  });

  it('finds secrets that are too old', async () => {
    const path = join(folder, 'webhook');
    writeFileSync(path, COMPLETE.DRAGONFLY_WEBHOOK_SECRET);
    const seconds = Date.now() / 1000 - 95 * 86_400;
    utimesSync(path, seconds, seconds);
    const { DRAGONFLY_WEBHOOK_SECRET: _, ...rest } = COMPLETE;
    const { output, code } = await examine({ ...rest, DRAGONFLY_WEBHOOK_SECRET_FILE: path });
    expect(code).toBe(1);
    expect(output).toContain('credential-age: DRAGONFLY_WEBHOOK_SECRET: 95 d old');
  });

  it('looks at another environment than its own, in a file', async () => {
    const { DRAGONFLY_ENV: _, ...other } = COMPLETE;
    const path = fileOf({ ...other, PORT: 'x' });
    const { output, code } = await examine({ PORT: '3000' }, '--env', 'staging', '--file', path);
    expect(code).toBe(1);
    expect(output).toContain('PORT: ');
    expect(await examine({}, '--env', 'staging', '--file', fileOf(other))).toMatchObject({ code: 0 });
  });

  it('[SEC-1] lets no secret be among public values', async () => {
    const config = { LOG_LEVEL: 'info', DRAGONFLY_CORS_ORIGINS: 'https://app.example.com' };
    expect(await examine({}, '--public', '--file', fileOf(config))).toMatchObject({ code: 0 });
    const path = fileOf({ ...config, DRAGONFLY_API_DATABASE_URL: COMPLETE.DRAGONFLY_API_DATABASE_URL });
    const { output, code } = await examine({}, '--public', '--file', path);
    expect(code).toBe(1);
    expect(output).toContain('tier: DRAGONFLY_API_DATABASE_URL: a secret among public values');
  });

  it.each(['--roles nobody', '--file /nowhere/env', '--public'])('`%s` is a usage error', async (line) => {
    await expect(invoke(['env-doctor', ...line.split(' ')], COMPLETE)).rejects.toThrow(UsageError);
  });
});
