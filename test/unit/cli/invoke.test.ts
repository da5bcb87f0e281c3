import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Command, type Group, UsageError } from '#src/composition/cli/command.ts';
import { isGroup } from '#src/composition/cli/help.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { registry } from '#src/composition/cli/registry.ts';
import { decide } from '#src/application/access/decide.ts';
import {
  PLATFORM_PERMISSIONS,
  PLATFORM_ROLES,
  type PlatformPermission,
  type PlatformRole,
  platformPermissionsOf,
} from '#src/domain/access/platform.ts';
import { COMPLETE } from '../config/environment.ts';

const names = Object.keys(registry);
const load = async (name: string): Promise<Command | Group> => {
  const { command } = (await registry[name]?.load()) ?? {};
  if (!command) throw new Error(`no ${name}`);
  return command;
};

describe('the command line', () => {
  it('lists every command', async () => {
    const { output, code } = await invoke(['help'], {});
    expect(code).toBe(0);
    for (const name of names) expect(output).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
    await expect(invoke([], {})).rejects.toThrow(UsageError);
    await expect(invoke(['nothing'], {})).rejects.toThrow(UsageError);
    await expect(invoke(['toString'], {})).rejects.toThrow(UsageError);
  });

  it.each(names)('%s has forms, examples that are its own, and one permission an action', async (name) => {
    const command = await load(name);
    const { output } = await invoke([name, '--help'], {});
    expect(output).toContain(`Usage: dragonfly ${name}`);
    const actions = isGroup(command) ? Object.entries(command.actions) : [['', command] as const];
    for (const [action, { examples, permission, usage }] of actions) {
      const prefix = `dragonfly ${name} ${action}`.trimEnd();
      expect(usage.length).toBeGreaterThan(0);
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples) expect(example.startsWith(prefix)).toBe(true);
      expect(PLATFORM_PERMISSIONS).toContain(permission);
    }
  });

  it('answers a wrong line with the forms of the command', async () => {
    await expect(invoke(['keys'], {})).rejects.toThrow('keys needs one of create');
    await expect(invoke(['keys', 'create', '--nmae', 'x'], {})).rejects.toThrow(
      /--nmae[^]*\nUsage: dragonfly keys create /,
    );
    await expect(invoke(['config', 'api', 'worker'], {})).rejects.toThrow('Not understood: worker.');
  });

  it('--env says which environment this is, and contradicts nothing', async () => {
    const { DRAGONFLY_ENV: _, ...undecided } = COMPLETE;
    const { output } = await invoke(['config', 'api', '--env', 'staging', '--json'], undecided);
    expect(output).toContain('"staging"');
    await expect(invoke(['config', '--env', 'test'], undecided)).rejects.toThrow(
      '--env: dev, staging or prod.',
    );
    await expect(invoke(['config', '--env', 'dev'], { DRAGONFLY_ENV: 'prod' })).rejects.toThrow(
      '--env dev contradicts DRAGONFLY_ENV=prod.',
    );
  });
});

/** What each role may do, written down once more: a change of one has to be a change of the other. */
const READER = ['platform:read', 'audit:verify', 'jobs:read', 'releases:read'];
const RELEASE = [...READER, 'schema:migrate', 'releases:write', 'backups:write'];

const isAllowed = (role: PlatformRole, permission: PlatformPermission): boolean =>
  decide({ permissions: platformPermissionsOf(role) }, permission) === 'granted';

describe('[SEC-3] the roles of the command line', () => {
  const cases = PLATFORM_ROLES.flatMap((role) => names.map((name) => [role, name] as const));

  it.each(cases)('%s, %s', async (role, name) => {
    const command = await load(name);
    const actions = isGroup(command) ? Object.values(command.actions) : [command];
    for (const { permission } of actions) {
      const may = role === 'owner' || (role === 'reader' ? READER : RELEASE).includes(permission);
      expect(isAllowed(role, permission)).toBe(may);
    }
  });

  it('[SEC-4] are asked before anything else happens, and a denial is a security event', async () => {
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    onTestFinished(() => {
      stderr.mockRestore();
    });
    const denied = 'The role release of the command line (DRAGONFLY_CLI_ROLE) may not keys:write.';
    await expect(invoke(['keys', 'create'], { DRAGONFLY_CLI_ROLE: 'release' })).rejects.toThrow(denied);
    expect(stderr.mock.calls.map(([line]) => JSON.parse(String(line)) as unknown)).toMatchObject([
      { event: 'permission_denied', actor: 'cli:release', command: 'keys create', git_sha: 'unknown' },
    ]);
    await expect(invoke(['keys', 'create'], {})).rejects.toThrow('--organization and --name are needed.');
  });

  it('a role that there is not is a fault of the configuration', async () => {
    await expect(invoke(['config'], { DRAGONFLY_CLI_ROLE: 'root' })).rejects.toThrow(
      'DRAGONFLY_CLI_ROLE: reader, release or owner.',
    );
  });
});
