import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scan } from '../../../scripts/secrets/scan.ts';
import { Repository } from './repository.ts';

const letters = (length: number): string =>
  Array.from({ length }, (_, index) => 'aQ3xZ7mK9pLw2RtY'[(index * 7 + (index >> 4)) % 16]).join('');
const joined = (...parts: readonly string[]): string => parts.join('');

const newPrivateKey = (encryption: { cipher?: string; passphrase?: string } = {}): string =>
  generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption })
    .toString();

/** Made here, so that this file has none. */
const SECRETS: Readonly<Record<string, string>> = {
  'an API key of this service': newApiKey().key,
  'a signing secret of webhooks': joined('whs', 'ec_', randomBytes(32).toString('base64')),
  'a private key': newPrivateKey(),
  'a private key with a passphrase': newPrivateKey({ cipher: 'aes-256-cbc', passphrase: 'any' }),
  'a private key in a string': JSON.stringify(newPrivateKey()),
  'an access key of AWS': joined('AK', 'IA', 'Q3EGRIZ7MXPLKVNB'),
  'a token of GitHub': joined('gh', 'p_', letters(36)),
  'a token of Slack': joined('xo', 'xb-123456789012-1234567890123-', letters(24)),
  'a token of npm': joined('np', 'm_', letters(36)),
  'a password of PostgreSQL': joined('postgres:', '//api:kaput-7-lindwurm', '@db.internal/app'),
  'a password of Redis': joined('rediss:', '//:kaput-7-lindwurm', '@cache.internal:6379'),
  'a password of RabbitMQ': joined('amqp:', '//api:kaput-7-lindwurm', '@broker.internal/'),
  'a random value, in an environment': joined('WEBHOOK_SEC', 'RET=', randomBytes(32).toString('base64')),
  'a random value, in code': joined('const signingK', "ey = '", randomBytes(32).toString('hex'), "';"),
};

const HARMLESS: Readonly<Record<string, string>> = {
  'a key without its checksum': `dfk_${'a'.repeat(49)}`,
  'a placeholder': 'postgres://user:password@host:5432/database',
  'the heading of a private key': joined('-----BEGIN PRIV', 'ATE KEY-----\\n…'),
  'a variable': joined('postgres:', '//postgres:$password', '@127.0.0.1:$port/postgres'),
  'a password that is the name': joined('amqp:', '//guest:guest', '@127.0.0.1/'),
  'what secrets are called': 'DRAGONFLY_WEBHOOK_SECRET_PREVIOUS: the-one-before-the-current-secret',
  'the id of a key': 'api_key:019c1222-7c00-7d3b-9a54-3f1c6a2e8b90',
  'a hash of a package': `"integrity": "sha512-${'Q3xZ7mK9pLw2RtY'.repeat(5)}"`,
};

describe('[SEC-1] the scan for secrets', () => {
  it.each(Object.entries(SECRETS))('finds %s, with its line', async (_, secret) => {
    const findings = await scan('file', `first line\nsecond line ${secret}\n`);
    expect(findings.map(({ line }) => line)).toContain(2);
  });

  it.each(Object.entries(HARMLESS))('lets %s pass', async (_, text) => {
    expect(await scan('file', text)).toEqual([]);
  });

  it('finds a secret that a comment would hide from it', async () => {
    const disable = '/* secretlint-disable */';
    expect(await scan('file', `${disable}\n${SECRETS['a token of GitHub'] ?? ''}`)).toHaveLength(1);
  });

  it('takes a line without an end in time', async () => {
    const hostile = ['token='.repeat(50_000), 'a://b:'.repeat(50_000), 'x'.repeat(500_000)];
    const start = performance.now();
    for (const text of hostile) await scan('file', text);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('[SEC-1] the hook before a commit', () => {
  let repository: Repository;
  const { key } = newApiKey();

  beforeEach(() => {
    repository = new Repository();
    repository.useHooks();
  });
  afterEach(() => repository.remove());

  it('refuses a staged secret: names file, line and what to do, and never the secret', () => {
    repository.write('src/settings.ts', `export const settings = {};\nexport const key = '${key}';\n`);
    repository.git('add', '.');
    const { status, stdout, stderr } = repository.commit();
    expect(status).toBe(1);
    expect(stderr).toContain('src/settings.ts:2: API key of this service');
    expect(stderr).toContain('docs/runbooks/security-incident.md');
    expect(stdout + stderr).not.toContain(key.slice(4, 20));
    expect(repository.git('rev-list', '--all')).toBe('');
  });

  it('reads what is staged, not what the file has by now', () => {
    repository.write('settled', 'nothing');
    repository.git('add', '.');
    repository.write('settled', key);
    repository.write('beside', key);
    expect(repository.commit()).toMatchObject({ status: 0, stderr: '' });

    repository.git('add', 'settled');
    repository.write('settled', 'nothing');
    expect(repository.commit().status).toBe(1);
  });

  it('reads what `git commit --all` takes along', () => {
    repository.write('settings', 'nothing');
    repository.git('add', '.');
    expect(repository.commit().status).toBe(0);
    repository.write('settings', key);
    expect(repository.commit('--all').status).toBe(1);
  });

  it('finds a second secret beside one that is allowed, in the same line', () => {
    allow({ path: 'settings', text: key, reason: 'A key of nobody, for this test.' });
    repository.write('settings', `${key} ${key}`);
    repository.git('add', '.');
    expect(repository.commit()).toMatchObject({ status: 0, stderr: '' });
    repository.write('settings', `${key} ${newApiKey().key}`);
    repository.git('add', '.');
    expect(repository.commit().status).toBe(1);
  });

  it('has nothing against files that are binary, deleted, renamed, empty, symbolic links or oddly named', () => {
    repository.write('gone', 'text');
    repository.write('old name', 'text that is long enough to be found again after it was renamed\n');
    repository.git('add', '.');
    expect(repository.commit().status).toBe(0);

    repository.git('rm', '--quiet', 'gone');
    repository.git('mv', 'old name', 'new\nname "ü"');
    repository.write('binary', Buffer.concat([Buffer.alloc(1), randomBytes(5_000)]));
    repository.write('empty', '');
    symlinkSync('/nowhere', join(repository.folder, 'link'));
    repository.write('no end of line', 'text');
    repository.git('add', '.');
    expect(repository.commit()).toMatchObject({ status: 0, stderr: '' });
    expect(repository.git('status', '--porcelain')).toBe('');
  });

  it('finds a secret in a file that was renamed with it', () => {
    repository.write('old', 'text\n'.repeat(50));
    repository.git('add', '.');
    repository.commit();
    repository.git('mv', 'old', 'new');
    repository.write('new', `${'text\n'.repeat(50)}${key}\n`);
    repository.git('add', '.');
    expect(repository.commit().stderr).toContain('new:51: API key of this service');
  });

  it('has nothing to say about a commit without files', () => {
    expect(repository.commit('--allow-empty')).toMatchObject({ status: 0, stderr: '' });
  });

  function allow(...entries: readonly object[]): void {
    repository.write('.ci/allowed-secrets.json', JSON.stringify(entries));
  }
});

describe('[SEC-1] the scan of the whole tree', () => {
  let repository: Repository;
  beforeEach(() => {
    repository = new Repository();
  });
  afterEach(() => repository.remove());

  it('finds a secret that was committed without the hook', () => {
    repository.write('notes.md', `text\n\n${newApiKey().key}\n`);
    repository.git('add', '.');
    repository.commit('--no-verify');
    expect(repository.scan()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('notes.md:3: API key of this service'),
    });
  });

  it('demands that what is allowed is there', () => {
    const reason = 'An example that was deleted.';
    repository.write('.ci/allowed-secrets.json', JSON.stringify([{ path: 'gone', text: 'hidden', reason }]));
    repository.git('add', '.');
    expect(repository.scan()).toMatchObject({ status: 1, stderr: expect.stringContaining(reason) });
  });

  it('demands a reason for what is allowed', () => {
    repository.write('.ci/allowed-secrets.json', JSON.stringify([{ path: 'file', text: 'hidden' }]));
    repository.git('add', '.');
    expect(repository.scan().status).toBe(1);
  });
});
