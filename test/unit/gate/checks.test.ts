import { accessSync, constants, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { GATE_CHECKS, type GateMode, checksOf } from '#src/composition/gate/checks.ts';
import { verifiersOf } from '#src/composition/release/verifiers.ts';
import { gate, scratchCheckout } from './scratch.ts';

// npm takes a second to start.
vi.setConfig({ testTimeout: 60_000 });

const root = resolve(import.meta.dirname, '../../..');
const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
  scripts: Record<string, string>;
};

/** Whether there is the script of package.json, or the program, that a check runs. */
function isThere([program, ...args]: readonly string[]): boolean {
  if (program === 'npm')
    return Object.hasOwn(scripts, args.find((arg) => arg !== 'run' && !arg.startsWith('-')) ?? '');
  accessSync(`${root}/${program}`, constants.X_OK);
  return true;
}

/** A script of npm; what npm adds to it goes to the colon. */
const answer = (code: number): string => `printf %s "$REPORT"; exit ${code}; :`;

const commandsOf = (mode: Partial<GateMode>) =>
  new Map(checksOf('prod', { strict: true, ...mode }).map(({ name, command }) => [name, command]));

describe('[DEP-2] the table of checks', () => {
  it('names each check once, and only such needs as come before', () => {
    const names = GATE_CHECKS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const [index, { needs = [] }] of GATE_CHECKS.entries())
      for (const need of needs) expect(names.slice(0, index)).toContain(need);
  });

  it.each(GATE_CHECKS)('$name runs what there is', ({ command }) => {
    expect(isThere(command)).toBe(true);
  });

  it('has before production what the law asks for', () => {
    const names = checksOf('prod', { strict: true }).map(({ name }) => name);
    const law = ['schema-check', 'security-audit', 'doctor', 'tests', 'build', 'advisories'];
    expect(names).toEqual(expect.arrayContaining(law));
    expect(names).toEqual(expect.arrayContaining(['constitution', 'contract', 'migration-lint', 'secrets']));
    expect(names).toContain('previous-release');
    expect(checksOf('staging', { strict: true })).toEqual(checksOf('prod', { strict: true }));
  });

  it('[DEP-4] is gone through again after the migrations, as far as they change what it sees', () => {
    const verifiers = verifiersOf({ environment: {}, progress: () => {} }).map(({ name }) => name);
    const ofEnvironment = GATE_CHECKS.filter(({ verdict }) => verdict === 'findings').map(({ name }) => name);
    // Variables are not changed by a migration.
    expect(verifiers).toEqual(expect.arrayContaining(ofEnvironment.filter((name) => name !== 'env-doctor')));
    expect(verifiers).toContain('verify_db_state.sql');
  });

  it('[DEP-4] takes within a release for granted what a release brings about', () => {
    const releasing = checksOf('prod', { strict: true, releasing: true });
    const argsOf = (name: string) => releasing.find((check) => check.name === name)?.command.slice(-2);
    expect(argsOf('doctor')).toEqual([
      '--expect',
      'audit-seal,database-size,dead-letters,frozen,key-expiry,oldest-job,workers,migrations',
    ]);
    expect(argsOf('schema-check')).toEqual(['--json', '--applied']);
    expect(argsOf('security-audit')?.at(-1)).toContain('http-reachable');
  });

  it('[DATA-4] compares within a release with the commit that served before', () => {
    const [first, second] = [commandsOf({ base: null }), commandsOf({ base: 'abc' })];
    const command = ['.ci/previous-release', '--unless-first'];
    expect(first.get('previous-release')).toEqual(command);
    expect(second.get('previous-release')).toEqual([...command, '--base', 'abc']);
  });

  it('looks at what is deployed where it is told where that is', () => {
    const place = { url: 'https://api.example.com', opsUrl: undefined };
    const [told, untold] = [commandsOf({ place }), commandsOf({})];
    expect(told.get('security-audit')).toEqual([...(untold.get('security-audit') ?? []), '--url', place.url]);
    expect(told.get('doctor')).toEqual(untold.get('doctor'));
    const both = commandsOf({ place: { ...place, opsUrl: 'http://10.0.0.7:9090' } });
    expect(both.get('security-audit')?.slice(-2)).toEqual(['--ops-url', 'http://10.0.0.7:9090']);
  });

  it('has before a push what needs no environment and no server', () => {
    const before = checksOf('dev', { strict: false });
    expect(before.filter(({ verdict, alone }) => verdict === 'findings' || alone)).toEqual([]);
    expect(before.map(({ name }) => name)).toContain('unit-tests');
  });

  describe('in a checkout whose scripts', () => {
    const programs = GATE_CHECKS.map(({ command: [program] }) => program).filter((name) => name !== 'npm');
    const answering = async (code: number): Promise<string> => {
      const manifest = {
        scripts: Object.fromEntries(Object.keys(scripts).map((name) => [name, answer(code)])),
      };
      const files = Object.fromEntries(programs.map((name) => [name, `#!/bin/sh\nexit ${code}\n`]));
      return await scratchCheckout({ ...files, 'package.json': JSON.stringify(manifest) }, programs);
    };
    const REPORT = JSON.stringify({
      status: 'pass',
      findings: [{ check: 'a', severity: 'ok', summary: 'b' }],
    });
    const environment = { PATH: process.env['PATH'], HOME: process.env['HOME'], REPORT };

    it('all pass, it passes', async () => {
      const { passed, findings } = await gate(await answering(0), { environment });
      expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([]);
      expect(passed).toBe(true);
    });

    it('all fail, each check of each environment is critical', async () => {
      const root = await answering(1);
      for (const env of ['dev', 'prod'] as const) {
        const { findings } = await gate(root, { environment, env });
        expect(findings).toHaveLength(checksOf(env, { strict: false }).length);
        expect(findings.filter(({ severity }) => severity !== 'critical')).toEqual([]);
      }
    });
  });
});
