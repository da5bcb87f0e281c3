import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Repository } from './repository.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SCRIPT = 'scripts/install-hooks.js';
const QUIET = { status: 0, stdout: '', stderr: '' };

function inFolder(cwd: string) {
  const { CI: _, ...env } = process.env;
  return spawnSync(process.execPath, [join(ROOT, SCRIPT)], { cwd, env, encoding: 'utf8' });
}

describe('[SEC-1] the install of the hook by `npm ci`', () => {
  let repository: Repository;
  const hooksPath = (): string =>
    repository.git('config', '--local', '--default', '', '--get', 'core.hooksPath');

  beforeEach(() => {
    repository = new Repository();
  });
  afterEach(() => repository.remove());

  it('lets Git find the hook in a checkout, and may be repeated', () => {
    expect(repository.script(SCRIPT)).toMatchObject(QUIET);
    expect(repository.script(SCRIPT)).toMatchObject(QUIET);
    expect(hooksPath()).toBe('.githooks');
  });

  it('does nothing in CI', () => {
    expect(repository.script(SCRIPT, { CI: 'true' })).toMatchObject(QUIET);
    expect(hooksPath()).toBe('');
  });

  it('keeps a path that somebody set for this checkout', () => {
    repository.git('config', 'core.hooksPath', 'my-hooks');
    expect(repository.script(SCRIPT)).toMatchObject(QUIET);
    expect(hooksPath()).toBe('my-hooks');
  });

  it('keeps a path that somebody set for all repositories', () => {
    repository.write('their.gitconfig', '[core]\n  hooksPath = /somewhere/hooks\n');
    const theirs = { GIT_CONFIG_GLOBAL: join(repository.folder, 'their.gitconfig') };
    expect(repository.script(SCRIPT, theirs)).toMatchObject(QUIET);
    expect(hooksPath()).toBe('');
  });

  it('keeps hooks that are in use', () => {
    repository.write('.git/hooks/pre-push', '#!/bin/sh\n');
    expect(repository.script(SCRIPT)).toMatchObject(QUIET);
    expect(hooksPath()).toBe('');
  });

  it('does nothing in a linked worktree, whose settings are those of its main checkout', () => {
    repository.commit('--allow-empty');
    repository.git('worktree', 'add', '--quiet', 'linked');
    expect(inFolder(join(repository.folder, 'linked'))).toMatchObject(QUIET);
    expect(hooksPath()).toBe('');
  });

  it('does nothing in a folder of another repository', () => {
    repository.write('vendor/dragonfly/package.json', '{}');
    expect(inFolder(join(repository.folder, 'vendor/dragonfly'))).toMatchObject(QUIET);
    expect(hooksPath()).toBe('');
  });

  it('does nothing without Git', () => {
    expect(repository.script(SCRIPT, { PATH: '/nowhere' })).toMatchObject(QUIET);
    expect(hooksPath()).toBe('');
  });

  it('does nothing in an unpacked archive', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dragonfly-archive-'));
    expect(inFolder(folder)).toMatchObject(QUIET);
    rmSync(folder, { recursive: true });
  });

  it('does nothing where an image has the manifest alone', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: { prepare: string };
    };
    const folder = mkdtempSync(join(tmpdir(), 'dragonfly-manifest-'));
    expect(spawnSync(scripts.prepare, { cwd: folder, shell: true, encoding: 'utf8' })).toMatchObject(QUIET);
    rmSync(folder, { recursive: true });
  });
});
