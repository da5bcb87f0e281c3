import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gitopsTarget } from '#src/adapters/outbound/release-target/gitops.ts';
import { helmTarget } from '#src/adapters/outbound/release-target/helm.ts';
import { builtService, processTarget } from '#src/adapters/outbound/release-target/process.ts';
import { withYamlValue } from '#src/adapters/outbound/release-target/yaml-value.ts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { NEW, OLD } from './world.ts';

vi.setConfig({ testTimeout: 30_000 });

const deploy = { sha: NEW, id: 'd1', signal: new AbortController().signal, progress: () => {} };

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'target-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A Helm that writes down what it is told. */
function fakeHelm({ version = 'v3.19.0+g3d8990f', status = '', upgrade = 'exit 0' } = {}) {
  const folder = scratch();
  const [helm, log] = [join(folder, 'helm'), join(folder, 'log')];
  writeFileSync(
    helm,
    `#!/bin/sh\necho "$*" >>'${log}'\ncase "$1" in version) echo '${version}' ;; status) ${status && `echo '${status}'; exit 0;`} echo 'Error: release: not found' >&2; exit 1 ;; upgrade) ${upgrade} ;; esac\n`,
  );
  chmodSync(helm, 0o755);
  const options = {
    helm,
    name: 'df',
    namespace: 'ns',
    chart: 'chart',
    values: ['a.yaml', 'b.yaml'],
    timeoutMs: 60_000,
  };
  return { target: helmTarget(options), calls: () => readFileSync(log, 'utf8').trim().split('\n') };
}
const VALUES = `# prod\nimage:\n  tag: '${OLD}' # by the release\n`;

const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
    cwd,
    encoding: 'utf8',
  }).trim();

function repository(more = '') {
  const folder = scratch();
  const [bare, seed] = [join(folder, 'config.git'), join(folder, 'seed')];
  git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', bare);
  git(folder, 'clone', '--quiet', bare, seed);
  mkdirSync(join(seed, 'prod'));
  writeFileSync(join(seed, 'prod/values.yaml'), VALUES + more);
  git(seed, 'add', '.');
  git(seed, 'commit', '--quiet', '--message', 'begin');
  git(seed, 'push', '--quiet', 'origin', 'HEAD:main');
  const target = (readySha: () => Promise<string | undefined>, timeoutMs = 5000) =>
    gitopsTarget({
      repository: bare,
      branch: 'main',
      file: 'prod/values.yaml',
      key: 'image.tag',
      url: 'http://service',
      readySha,
      timeoutMs,
      sightings: 2,
    });
  return {
    bare,
    target,
    log: () => git(bare, 'log', '--format=%B', 'main'),
    values: () => git(bare, 'show', 'main:prod/values.yaml'),
  };
}

describe('[DEP-4] the target helm', () => {
  const UPGRADE = `upgrade --install df chart --namespace ns --values a.yaml --values b.yaml --set-string image.tag=${NEW},image.digest= --set migrate.enabled=false`;

  it.each([
    ['v3.19.0+g3d8990f', '--atomic'],
    ['v4.0.1+g1234567', '--rollback-on-failure'],
  ])(
    'of %s upgrades to the image of the commit, without migrations of its own, and %s',
    async (version, back) => {
      const { target, calls } = fakeHelm({ version });
      await target.deploy(deploy);
      expect(calls().at(-1)).toBe(`${UPGRADE} ${back} --wait --timeout 60s`);
    },
  );

  it.each([
    ['pending-upgrade', 'rollback df --namespace ns --wait --timeout 60s'],
    ['pending-install', 'uninstall df --namespace ns --wait --timeout 60s'],
  ])('mends %s, which a killed one leaves', async (status, mended) => {
    const { target, calls } = fakeHelm({ status: JSON.stringify({ info: { status } }) });
    await target.deploy(deploy);
    expect(calls()).toEqual([
      'status df --namespace ns --output json',
      mended,
      'version --short',
      expect.stringContaining(UPGRADE),
    ]);
  });

  it('finds out before anything changes whether it can deploy', async () => {
    const { target, calls } = fakeHelm();
    await target.check(NEW, deploy.signal);
    expect(calls()).toEqual([
      'version --short',
      'status df --namespace ns --output json',
      `${UPGRADE} --dry-run`,
    ]);
    const pending = fakeHelm({ status: JSON.stringify({ info: { status: 'pending-upgrade' } }) });
    await pending.target.check(NEW, deploy.signal);
    expect(pending.calls()).toHaveLength(2);
    const refused = fakeHelm({ upgrade: 'echo "values do not meet the schema" >&2; exit 1' });
    await expect(refused.target.check(NEW, deploy.signal)).rejects.toThrow('do not meet the schema');
    const none = helmTarget({
      helm: '/no/helm',
      name: 'df',
      namespace: 'ns',
      chart: 'chart',
      values: [],
      timeoutMs: 1,
    });
    await expect(none.check(NEW, deploy.signal)).rejects.toThrow('ENOENT');
  });

  it('fails as Helm fails', async () => {
    const { target } = fakeHelm({ upgrade: 'echo "timed out waiting" >&2; exit 1' });
    await expect(target.deploy(deploy)).rejects.toThrow('timed out waiting');
  });
});

it('[DEP-4] the target process finds out before anything changes whether the release is built', async () => {
  const folder = scratch();
  const waits = { readyTimeoutMs: 1, graceMs: 1, readySha: async () => await Promise.resolve(NEW) };
  const target = processTarget({ folder, commandOf: builtService, port: 1, ...waits });
  mkdirSync(join(folder, 'releases', NEW, 'dist'), { recursive: true });
  await expect(target.check(NEW, deploy.signal)).rejects.toThrow('is not there, or not built');
  writeFileSync(join(folder, 'releases', NEW, 'dist/main.js'), '');
  await target.check(NEW, deploy.signal);
});

describe('[DEP-4] the target gitops', () => {
  it('commits the image of the commit, and waits until only that serves', async () => {
    const { target, log, values } = repository();
    const seen = [OLD, undefined, NEW, OLD, NEW, NEW];
    await target(async () => await Promise.resolve(seen.shift())).deploy(deploy);
    expect(seen).toEqual([]);
    expect(values()).toBe(VALUES.replace(OLD, NEW).trim());
    expect(log()).toMatch(new RegExp(`^Release ${NEW}\n\nDeployment: d1\n`));
  });

  it('has nothing to commit the second time', async () => {
    const { target, log } = repository();
    const ready = target(async () => await Promise.resolve(NEW));
    await ready.deploy(deploy);
    const before = log();
    expect(await ready.deploy(deploy)).toContain('already');
    expect(log()).toBe(before);
  });

  it.each(['non-fast-forward', 'incorrect old value provided'])(
    'begins anew when somebody else has pushed meanwhile: %s',
    async (said) => {
      const { bare, target, values } = repository();
      const once = join(bare, 'once');
      const hook = join(bare, 'hooks/pre-receive');
      writeFileSync(
        hook,
        `#!/bin/sh\n[ -e '${once}' ] && exit 0\ntouch '${once}'\necho '${said}' >&2\nexit 1\n`,
      );
      chmodSync(hook, 0o755);
      await target(async () => await Promise.resolve(NEW)).deploy(deploy);
      expect(existsSync(once)).toBe(true);
      expect(values()).toContain(NEW);
    },
  );

  it('finds out before anything changes whether it may commit', async () => {
    const { bare, target, log } = repository();
    const before = log();
    const ready = target(async () => await Promise.resolve(NEW));
    await ready.check(NEW, deploy.signal);
    expect(log()).toBe(before);
    const refused = {
      branch: 'main',
      file: 'prod/values.yaml',
      key: 'image.digest',
      url: '',
      timeoutMs: 1,
      sightings: 2,
    };
    const other = gitopsTarget({
      ...refused,
      repository: bare,
      readySha: async () => await Promise.resolve(NEW),
    });
    await expect(other.check(NEW, deploy.signal)).rejects.toThrow('image.digest has no text');
  });

  it('refuses a digest beside the tag, which would decide instead of it', async () => {
    const { target, log } = repository("  digest: 'sha256:1'\n");
    const [before, ready] = [log(), target(async () => await Promise.resolve(NEW))];
    await expect(ready.check(NEW, deploy.signal)).rejects.toThrow(
      'image.digest is set, and decides instead of image.tag: take it out of the file',
    );
    await expect(ready.deploy(deploy)).rejects.toThrow('image.digest is set');
    expect(log()).toBe(before);
  });

  it('takes an empty digest for none', async () => {
    const { target, values } = repository("  digest: ''\n");
    await target(async () => await Promise.resolve(NEW)).deploy(deploy);
    expect(values()).toContain(NEW);
  });

  it('fails when the commit does not come to serve', async () => {
    const { target } = repository();
    await expect(target(async () => await Promise.resolve(OLD), 0).deploy(deploy)).rejects.toThrow(
      `Not ready at http://service within 0 s; there is ${OLD}.`,
    );
  });
});

describe('a value of a YAML file', () => {
  it.each([
    ['a:\n  b: old\n', 'a.b', "a:\n  b: 'new'\n"],
    ['a:\n  b: "old"   # why\nc: 1\n', 'a.b', "a:\n  b: 'new'   # why\nc: 1\n"],
    ['x:\n  b: old\na:\n  c:\n    b: old\n  b: old', 'a.b', "x:\n  b: old\na:\n  c:\n    b: old\n  b: 'new'"],
  ])('is replaced, and nothing else: %j', (text, key, after) => {
    expect(withYamlValue(text, key, 'new')).toBe(after);
  });

  it.each([
    ['a:\n  c: old\n', 'a.b has no text'],
    ['a:\n  b:\n', 'a.b has no text'],
    ['a:\n  b: old\na:\n  b: old\n', 'Map keys must be unique'],
    ['a:\n  b:\n    - old\n', 'a.b has no text'],
    ['a:\n  b: |\n    old\n', 'a.b has no text'],
    ['a:\n  c: &c old\n  b: *c\n', 'a.b has no text'],
    ['a: {', 'no YAML'],
  ])('is not replaced in %j: %s', (text, why) => {
    expect(() => withYamlValue(text, 'a.b', 'new')).toThrow(why);
  });
});
