import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, type Environment, loadConfig } from '#src/config/load.ts';
import { ROLES, type Role } from '#src/config/variable.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPLETE, faultsOf } from './environment.ts';

describe('what is printed', () => {
  const CANARY = 'C4n4ry-7f3a';

  it('[SEC-1] never contains a value, whatever is wrong with it', () => {
    const environment: Record<string, string> = { [`DRAGONFLY_UNKNOWN`]: CANARY };
    for (const name of Object.keys(COMPLETE)) environment[name] = CANARY;
    for (const name of ['PORT', 'LOG_LEVEL', 'DRAGONFLY_CORS_ORIGINS', 'DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK']) {
      environment[name] = CANARY;
    }
    environment['DRAGONFLY_REDIS_URL_FILE'] = `/nowhere/${CANARY}`;
    environment['DRAGONFLY_API_DATABASE_URL_FILE'] = `/nowhere/${CANARY}`;

    const error = errorOf(ROLES, environment);
    expect(error.faults.length).toBeGreaterThan(10);
    expect(`${error.stack} ${JSON.stringify(error)} ${error.faults.join()}`).not.toContain(CANARY);
  });

  it('[SEC-1] not of a weak secret either', () => {
    const error = errorOf(['worker'], {
      ...COMPLETE,
      DRAGONFLY_WORKER_DATABASE_URL: `postgres://worker:example-${CANARY}@db/app`,
      DRAGONFLY_WEBHOOK_SECRET: `example-${CANARY}-${CANARY}-${CANARY}`,
    });
    expect(error.faults).toHaveLength(2);
    expect(error.stack).not.toContain(CANARY);
  });
});

describe('secrets in files', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dragonfly-secrets-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };

  it('are read without the newline that editors and kubectl leave at the end', () => {
    const secret = COMPLETE.DRAGONFLY_WEBHOOK_SECRET;
    const config = loadConfig(['worker'], {
      ...without('DRAGONFLY_WEBHOOK_SECRET'),
      DRAGONFLY_WEBHOOK_SECRET_FILE: file('newline', `${secret}\r\n`),
    });
    expect(config.DRAGONFLY_WEBHOOK_SECRET).toEqual([secret]);
  });

  it('are held to the same rules as secrets in variables', () => {
    expect(
      faultsOf(['worker'], {
        ...without('DRAGONFLY_WEBHOOK_SECRET'),
        DRAGONFLY_WEBHOOK_SECRET_FILE: file('short', 'too short'),
      }),
    ).toEqual([expect.stringMatching(/^DRAGONFLY_WEBHOOK_SECRET: At least 32 characters/)]);
  });

  it.each(['missing', 'folder'])('a %s is a fault that names the variable', (kind) => {
    const path = kind === 'folder' ? folder : join(folder, 'no-such-file');
    expect(
      faultsOf(['worker'], {
        ...without('DRAGONFLY_WEBHOOK_SECRET'),
        DRAGONFLY_WEBHOOK_SECRET_FILE: path,
      }),
    ).toEqual([
      `DRAGONFLY_WEBHOOK_SECRET_FILE: the file cannot be read (${kind === 'folder' ? 'EISDIR' : 'ENOENT'}).`,
    ]);
  });

  it('a missing one of an optional secret means that there is none', () => {
    const path = join(folder, 'no-such-file');
    const environment = { ...without('DRAGONFLY_REDIS_URL'), DRAGONFLY_REDIS_URL_FILE: path };
    expect(faultsOf(['api'], { ...environment, DRAGONFLY_ENV: 'staging' })).toEqual([]);
    expect(faultsOf(['api'], environment)).toEqual([expect.stringMatching(/^DRAGONFLY_REDIS_URL: required/)]);
  });

  it('an empty one is a fault, also of an optional secret', () => {
    expect(
      faultsOf(['api'], { ...without('DRAGONFLY_REDIS_URL'), DRAGONFLY_REDIS_URL_FILE: file('empty', '\n') }),
    ).toEqual([expect.stringMatching(/^DRAGONFLY_REDIS_URL: /)]);
  });

  it('a file and a value together are a fault', () => {
    expect(
      faultsOf(['worker'], {
        ...COMPLETE,
        DRAGONFLY_WEBHOOK_SECRET_FILE: file('both', COMPLETE.DRAGONFLY_WEBHOOK_SECRET),
      }),
    ).toEqual(['DRAGONFLY_WEBHOOK_SECRET: set either it or DRAGONFLY_WEBHOOK_SECRET_FILE, not both.']);
  });

  it('[SEC-1] of other roles are not opened', () => {
    expect(
      faultsOf(['api'], {
        ...without('DRAGONFLY_WEBHOOK_SECRET'),
        DRAGONFLY_WEBHOOK_SECRET_FILE: join(folder, 'no-such-file'),
      }),
    ).toEqual([]);
  });
});

describe('[SEC-1] each role gets only its own', () => {
  it.each<[Role, string[]]>([
    ['api', ['DRAGONFLY_METRICS_TOKEN', 'DRAGONFLY_REDIS_URL', 'DRAGONFLY_API_DATABASE_URL']],
    [
      'worker',
      [
        'DRAGONFLY_METRICS_TOKEN',
        'DRAGONFLY_WORKER_DATABASE_URL',
        'DRAGONFLY_WORKER_LISTEN_URL',
        'DRAGONFLY_WEBHOOK_SECRET',
      ],
    ],
    ['migrate', ['DRAGONFLY_OWNER_DATABASE_URL']],
    [
      'roles',
      [
        'DRAGONFLY_API_DATABASE_URL',
        'DRAGONFLY_WORKER_DATABASE_URL',
        'DRAGONFLY_OWNER_DATABASE_URL',
        'DRAGONFLY_ADMIN_DATABASE_URL',
      ],
    ],
    ['keys', ['DRAGONFLY_OWNER_DATABASE_URL']],
    ['backup', ['DRAGONFLY_BACKUP_DATABASE_URL']],
    ['restore', ['DRAGONFLY_OWNER_DATABASE_URL']],
    ['webhook-secret', ['DRAGONFLY_WEBHOOK_SECRET']],
  ])('secrets of %s', (role, secrets) => {
    const config: Record<string, unknown> = loadConfig([role], COMPLETE);
    expect(Object.keys(config).filter((name) => /_URL$|SECRET|TOKEN/.test(name))).toEqual(secrets);
  });

  it('what a role does not read, it does not ask for', () => {
    const {
      DRAGONFLY_ENV,
      DRAGONFLY_GIT_SHA,
      DRAGONFLY_METRICS_TOKEN,
      DRAGONFLY_WORKER_DATABASE_URL,
      DRAGONFLY_WEBHOOK_SECRET,
    } = COMPLETE;
    const worker = {
      DRAGONFLY_ENV,
      DRAGONFLY_GIT_SHA,
      DRAGONFLY_METRICS_TOKEN,
      DRAGONFLY_WORKER_DATABASE_URL,
      DRAGONFLY_WEBHOOK_SECRET,
    };
    expect(faultsOf(['worker'], worker)).toEqual([]);
  });
});

function errorOf(roles: readonly Role[], environment: Environment): ConfigurationError {
  try {
    loadConfig(roles, environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('The environment was accepted.');
}

const without = (name: keyof typeof COMPLETE): Environment => ({ ...COMPLETE, [name]: undefined });
