import { type SpawnSyncReturns, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../..');

/** Nothing of the machine's Git settings, of a Git that runs this test as a hook, or of a CI. */
const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:GIT_|CI$)/.test(name)));
const environment = {
  ...plain,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'test',
  GIT_AUTHOR_EMAIL: 'test@example.com',
  GIT_COMMITTER_NAME: 'test',
  GIT_COMMITTER_EMAIL: 'test@example.com',
};

/** A new repository in a temporary folder. */
export class Repository {
  readonly folder = mkdtempSync(join(tmpdir(), 'dragonfly-repository-'));

  constructor() {
    this.git('init', '--quiet');
  }

  /** Commits go through the hooks of this checkout. */
  useHooks(): void {
    this.git('config', 'core.hooksPath', join(root, '.githooks'));
  }

  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), content);
  }

  git(...args: readonly string[]): string {
    return execFileSync('git', args, {
      cwd: this.folder,
      env: environment,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  }

  commit(...options: readonly string[]): SpawnSyncReturns<string> {
    return this.run('git', ['commit', '--quiet', '--message', 'test', ...options]);
  }

  scan(): SpawnSyncReturns<string> {
    return this.script('scripts/secrets/main.ts');
  }

  /** Runs a script of this checkout here. */
  script(path: string, variables: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
    return this.run(process.execPath, [join(root, path)], variables);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  private run(command: string, args: readonly string[], variables: NodeJS.ProcessEnv = {}) {
    return spawnSync(command, args, {
      cwd: this.folder,
      env: { ...environment, ...variables },
      encoding: 'utf8',
    });
  }
}
