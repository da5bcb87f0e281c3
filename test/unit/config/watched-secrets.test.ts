import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Environment, loadConfig, secretFiles } from '#src/config/load.ts';
import { watchSecrets } from '#src/config/watched-secrets.ts';
import { mountedSecret } from '#test/support/mounted-secret.ts';
import { until } from '#test/support/until.ts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { COMPLETE } from './environment.ts';

const NAME = 'DRAGONFLY_WEBHOOK_SECRET';
const [FIRST, SECOND, THIRD] = [
  'kV3xTq8ZbN5mWc1LrYp7HsDf2GjU9aEo4iX6',
  'Bz6RwMn0QyJt4KgCv8Pd1XhSl5Fu3TeOa7Iq',
  'Wd5NpGh2ZsKx9VbLq4Tc7MyRf1JuE8aXo3Ci',
] as const;
/** Longer than until a file counts as written, shorter than until the next look. */
const QUIET_MS = 1000;

/** A worker's secrets, watched until the test ends, and what was said of them. */
function watched(environment: Environment) {
  const told: string[] = [];
  const roles = ['worker'] as const;
  const files = secretFiles(roles, environment);
  const secrets = watchSecrets(roles, environment, loadConfig(roles, environment), files, {
    onRotated: (variable, file) => told.push(`${variable} rotated from ${file}`),
    onFaults: (faults) => told.push(...faults),
    onRefused: (variable, error) => told.push(`${variable} refused: ${String(error)}`),
  });
  onTestFinished(secrets.stop);
  return { secrets, told, webhook: secrets.of(NAME) };
}

const inFile = (path: string, environment: Environment = {}): Environment => ({
  ...COMPLETE,
  [NAME]: undefined,
  [`${NAME}_FILE`]: path,
  ...environment,
});

const urlOf = (user: string): string => `postgres://${user}:${SECOND}@db.internal/app`;

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'dragonfly-watched-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, 'webhook');
  writeFileSync(path, text);
  return path;
}

const untilCurrent = async ({ webhook }: ReturnType<typeof watched>, expected: string): Promise<void> => {
  await until(() => {
    expect(webhook.current()).toEqual(expected.split(','));
  });
};

describe('[SEC-18] a new secret in a file', () => {
  it('is taken when Kubernetes swaps the folder behind the links', async () => {
    const mount = mountedSecret({ webhook: FIRST });
    const service = watched(inFile(mount.pathOf('webhook')));
    mount.swap({ webhook: SECOND });
    await untilCurrent(service, SECOND);
    mount.swap({ webhook: `${THIRD},${SECOND}` });
    await untilCurrent(service, `${THIRD},${SECOND}`);
    expect(service.told).toEqual(Array(2).fill(`${NAME} rotated from webhook`));
  });

  it('is taken when an editor renames a new file to it', async () => {
    const path = file(FIRST);
    const service = watched(inFile(path));
    writeFileSync(`${path}~`, `${SECOND}\n`);
    renameSync(`${path}~`, path);
    await untilCurrent(service, SECOND);
    expect(service.told).toEqual([`${NAME} rotated from webhook`]);
  });

  it('is taken when it is written in place, once it is there as a whole', async () => {
    const path = file(FIRST);
    const service = watched(inFile(path));
    await sleep(QUIET_MS);
    writeFileSync(path, '');
    writeFileSync(path, SECOND.slice(0, 33));
    writeFileSync(path, SECOND);
    await untilCurrent(service, SECOND);
    expect(service.told).toEqual([`${NAME} rotated from webhook`]);
  });

  it('is taken where no notification comes from, a link to another folder', async () => {
    const target = file(FIRST);
    const link = join(target, '../../', `dragonfly-link-${process.pid}`);
    symlinkSync(target, link);
    onTestFinished(() => {
      rmSync(link);
    });
    const service = watched(inFile(link));
    await sleep(QUIET_MS);
    writeFileSync(target, SECOND);
    await untilCurrent(service, SECOND);
    expect(service.told).toHaveLength(1);
  });

  it('is taken after the file was away, which is one warning', async () => {
    const path = file(FIRST);
    const service = watched(inFile(path));
    await sleep(QUIET_MS);
    rmSync(path);
    await until(() => {
      expect(service.told).toEqual([`${NAME}_FILE: the file cannot be read (ENOENT).`]);
    });
    expect(service.webhook.current()).toEqual([FIRST]);
    writeFileSync(path, SECOND);
    await untilCurrent(service, SECOND);
  });

  it('is no longer looked for after the end', async () => {
    const path = file(FIRST);
    const service = watched(inFile(path));
    service.secrets.stop();
    writeFileSync(path, SECOND);
    await sleep(QUIET_MS);
    expect(service.webhook.current()).toEqual([FIRST]);
  });
});

describe('[SEC-2] [SEC-18] the secret before stays in use', () => {
  it.each([
    ['empty', '\n'],
    ['short', SECOND.slice(0, 20)],
    ['an example', `example-${SECOND}`],
    ['one of three', `${FIRST},${SECOND},${THIRD}`],
  ])('when the new one is %s, which is one warning without a value', async (_, text) => {
    const path = file(FIRST);
    const service = watched(inFile(path));
    writeFileSync(path, text);
    await until(() => {
      expect(service.told).toHaveLength(1);
    });
    // One more look.
    writeFileSync(path, text);
    await sleep(QUIET_MS);
    expect(service.told).toEqual([expect.stringMatching(new RegExp(`^${NAME}: `))]);
    expect(service.told.join()).not.toContain(SECOND.slice(0, 20));
    expect(service.webhook.current()).toEqual([FIRST]);
    writeFileSync(path, SECOND);
    await untilCurrent(service, SECOND);
  });

  it('while a rule over several variables is broken, until all of them fit', async () => {
    const [database, listen] = [file(urlOf('one')), file(urlOf('one'))];
    const service = watched({
      ...COMPLETE,
      DRAGONFLY_WORKER_DATABASE_URL: undefined,
      DRAGONFLY_WORKER_DATABASE_URL_FILE: database,
      DRAGONFLY_WORKER_LISTEN_URL_FILE: listen,
    });
    const both = ['DRAGONFLY_WORKER_DATABASE_URL', 'DRAGONFLY_WORKER_LISTEN_URL'] as const;
    writeFileSync(database, urlOf('two'));
    await until(() => {
      expect(service.told).toEqual([expect.stringMatching(/^DRAGONFLY_WORKER_LISTEN_URL: its user/)]);
    });
    writeFileSync(listen, urlOf('two'));
    await until(() => {
      expect(both.map((name) => service.secrets.of(name).current())).toEqual([urlOf('two'), urlOf('two')]);
    });
  });

  it('while whoever uses it cannot, which is one warning; it is tried again', async () => {
    const path = file(FIRST);
    const service = watched(inFile(path));
    const taken: unknown[] = [];
    service.webhook.onChange((next) => {
      taken.push(next);
      if (taken.length < 2) throw new Error('not yet');
    });
    writeFileSync(path, SECOND);
    await untilCurrent(service, SECOND);
    expect(taken).toEqual([[SECOND], [SECOND]]);
    expect(service.told).toEqual([`${NAME} refused: Error: not yet`, `${NAME} rotated from webhook`]);
  });

  it('when an optional one comes or goes: who has none has nothing that could use it', async () => {
    const path = file(COMPLETE.DRAGONFLY_WORKER_DATABASE_URL);
    const name = 'DRAGONFLY_WORKER_LISTEN_URL';
    const service = watched({ ...COMPLETE, [`${name}_FILE`]: path });
    rmSync(path);
    await until(() => {
      expect(service.told).toEqual([expect.stringMatching(/^DRAGONFLY_WORKER_LISTEN_URL refused: .*start/)]);
    });
    expect(service.secrets.of(name).current()).toBe(COMPLETE.DRAGONFLY_WORKER_DATABASE_URL);
  });
});
