import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invoke } from '#src/composition/cli/invoke.ts';
import { effectiveConfig } from '#src/config/effective.ts';
import { ROLES } from '#src/config/variable.ts';
import { variables } from '#src/config/variables.ts';
import { expect, it, onTestFinished } from 'vitest';
import { COMPLETE, faultsOf } from './environment.ts';

const NAME = 'DRAGONFLY_WEBHOOK_SECRET';

function file(text: string, ageDays = 0): string {
  const folder = mkdtempSync(join(tmpdir(), 'dragonfly-effective-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, 'webhook');
  writeFileSync(path, text);
  const seconds = Date.now() / 1000 - ageDays * 86_400;
  utimesSync(path, seconds, seconds);
  return path;
}

const shown = (environment: Parameters<typeof effectiveConfig>[1], name: string) =>
  effectiveConfig(ROLES, environment).variables.find((variable) => variable.name === name);

it('shows every variable of the roles with its value and where it is from', () => {
  const { variables: all, faults } = effectiveConfig(ROLES, { ...COMPLETE, PORT: '8080' });
  expect(all.map(({ name }) => name)).toEqual(Object.keys(variables));
  expect(faults).toEqual([]);
  const port = { name: 'PORT', value: '8080', source: 'environment', roles: ['api'] };
  expect(all).toContainEqual(port);
  expect(shown(COMPLETE, 'PORT')).toMatchObject({ value: '3000', source: 'default' });
  expect(shown(COMPLETE, 'OTEL_EXPORTER_OTLP_ENDPOINT')).toMatchObject({ value: 'not set', source: 'none' });
});

it('[SEC-1] shows of a secret whether it is set, the name of its file and the age, and never a value', () => {
  const path = file(COMPLETE[NAME], 91);
  const environment = { ...COMPLETE, [NAME]: undefined, [`${NAME}_FILE`]: path, PORT: COMPLETE[NAME] };
  expect(shown(environment, NAME)).toMatchObject({ value: 'set', source: 'file webhook', ageDays: 91 });
  expect(shown(COMPLETE, 'DRAGONFLY_REDIS_URL')).toMatchObject({ value: 'set', source: 'environment' });
  expect(shown(environment, 'DRAGONFLY_WORKER_LISTEN_URL')).toMatchObject({ value: 'not set' });
  expect(shown(environment, 'PORT')).toMatchObject({ value: 'invalid' });
  const text = JSON.stringify(effectiveConfig(ROLES, environment));
  const secrets = Object.entries(COMPLETE).filter(([name]) => /URL|SECRET/.test(name));
  for (const [, value] of secrets) expect(text).not.toContain(value);
  expect(text).not.toContain(path);
});

it.each(['', undefined])('shows a file as not set that holds %j', (text) => {
  const path = text === undefined ? '/nowhere/webhook' : file(text);
  expect(shown({ ...COMPLETE, [`${NAME}_FILE`]: path }, NAME)).toMatchObject({ value: 'not set' });
});

it('has the faults of the start', () => {
  const environment = { ...COMPLETE, PORT: 'x', DRAGONFLY_GIT_SHA: 'unknown' };
  expect(effectiveConfig(['api'], environment).faults).toEqual(faultsOf(['api'], environment));
});

it('the command prints a table, or JSON, of the roles that are named', async () => {
  const { output: table } = await invoke(['config', 'api'], COMPLETE);
  expect(table).toMatch(/^VARIABLE +VALUE +SOURCE +ROLES\n/);
  expect(table).toMatch(/^PORT +3000 +default +api$/m);
  expect(table).not.toContain(NAME);
  const json = JSON.parse((await invoke(['config', '--json'], COMPLETE)).output) as object;
  expect(json).toMatchObject({ roles: ['api', 'worker'], faults: [] });
  await expect(invoke(['config', 'nobody'], COMPLETE)).rejects.toThrow(/\nUsage: dragonfly config/);
});
