import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { webhookDeliver } from '#src/application/jobs/webhook.deliver.ts';
import { ROLES, milliseconds } from '#src/config/variable.ts';
import { DELIVERY_DEADLINE } from '#src/config/variables/webhooks.ts';
import { describe, expect, it } from 'vitest';
import { COMPLETE, faultsOf } from './environment.ts';

/** Whatever somebody might copy from. */
const SHOWN_IN = ['.env.example', 'README.md', 'docs', 'charts'];
const URL_WITH_PASSWORD = /\b(?:postgres|rediss?):\/\/[^\s:/@`"']*:[^\s@`"']+@[^\s`"']*/g;
const readdirOrFile = (path: string): string[] =>
  statSync(path).isFile()
    ? [path]
    : readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name));

const url = (password: string): string => `postgres://api:${password}@db/app`;

describe.each(['staging', 'prod'])('in %s', (env) => {
  const outside = { ...COMPLETE, DRAGONFLY_ENV: env };

  it('random secrets and a clean commit are accepted', () => {
    expect(faultsOf(ROLES, outside)).toEqual([]);
  });

  it.each([
    ['empty', url('')],
    ['missing', 'postgres://api@db/app'],
    ['short', url('Zu8wq0Lk3vT')],
    ['the name of the product', url('dragonfly-dragonfly')],
    ['a default', url('postgres-postgres')],
    ['an example', url('example-Zu8wq0Lk3vTn')],
    ['a placeholder', url('ChangeMe-Zu8wq0Lk3')],
    ['a row of digits', url('0123456789012345')],
    ['one letter', url('aaaaaaaaaaaaaaaa')],
    ['two letters', url('abababababababab')],
    ['the same again', url('fish7Qfish7Qfish7Qfi')],
    ['a row of letters', url('zyxwvutsrqponmlk')],
    ['the name of the user', 'postgres://Zu8wq0Lk3vTn:Zu8wq0Lk3vTn@db/app'],
    ['the name of the host', 'postgres://api:kq3.internal.tld@kq3.internal.tld/app'],
    ['an encoded default', url('p%6Fstgres-p%6Fstgres')],
    ['after the host', 'postgres://api:Zu8wq0Lk3vTnXp@db/app?password=Zu8wq0Lk3vTnXp'],
  ])('[SEC-2] a database password that is %s is refused', (_, value) => {
    expect(faultsOf(['api'], { ...outside, DRAGONFLY_API_DATABASE_URL: value })).toEqual([
      expect.stringMatching(/^DRAGONFLY_API_DATABASE_URL: .*password/),
    ]);
  });

  it.each([
    ['short', 'bq7XKp2mYv9ZtR4sWn8uJc3hLf6gTd1'],
    ['an example', 'your-secret-goes-here-bq7XKp2mYv9ZtR4s'],
    ['spaces', ' '.repeat(40)],
    ['one pattern', 'abc'.repeat(20)],
  ])('[SEC-2] a webhook secret that is %s is refused', (_, value) => {
    expect(faultsOf(['worker'], { ...outside, DRAGONFLY_WEBHOOK_SECRET: value })).toEqual([
      expect.stringMatching(/^DRAGONFLY_WEBHOOK_SECRET: /),
    ]);
  });

  it('[SEC-2] the webhook secret before the current one is held to the same', () => {
    const weak = 'your-secret-goes-here-bq7XKp2mYv9ZtR4s';
    const both = `${COMPLETE.DRAGONFLY_WEBHOOK_SECRET},${weak}`;
    expect(faultsOf(['worker'], { ...outside, DRAGONFLY_WEBHOOK_SECRET: both })).toHaveLength(1);
  });

  it('[SEC-2] a Redis may have no password, but not a guessable one', () => {
    const open = { ...outside, DRAGONFLY_REDIS_URL: 'redis://cache:6379' };
    const guessable = { ...outside, DRAGONFLY_REDIS_URL: 'redis://:password-password@cache:6379' };
    expect(faultsOf(['api'], open)).toEqual([]);
    expect(faultsOf(['api'], guessable)).toEqual([expect.stringMatching(/^DRAGONFLY_REDIS_URL: /)]);
    const hidden = { ...outside, DRAGONFLY_REDIS_URL: 'redis://cache:6379?password=x' };
    expect(faultsOf(['api'], hidden)).toEqual([expect.stringMatching(/^DRAGONFLY_REDIS_URL: /)]);
  });

  it('[SEC-2] no random secret is refused by mistake', () => {
    for (let run = 0; run < 1000; run += 1) {
      const secret = createHash('sha384').update(`${run}`).digest('base64url');
      expect(faultsOf(['worker'], { ...outside, DRAGONFLY_WEBHOOK_SECRET: secret })).toEqual([]);
    }
  });

  it('[SEC-2] what an example in a document, the chart or .env.example shows is refused', () => {
    const shown = SHOWN_IN.flatMap((path) => readdirOrFile(path)).flatMap(
      (path) => readFileSync(path, 'utf8').match(URL_WITH_PASSWORD) ?? [],
    );
    expect(shown.length).toBeGreaterThan(0);
    for (const example of shown) {
      const name = example.startsWith('redis') ? 'DRAGONFLY_REDIS_URL' : 'DRAGONFLY_API_DATABASE_URL';
      expect([example, faultsOf(['api'], { ...outside, [name]: example }).length]).toEqual([example, 1]);
    }
  });

  it.each(['unknown', `${COMPLETE.DRAGONFLY_GIT_SHA}-dirty`, undefined])(
    '[DEP-1] the commit %s is refused, by every role that is part of a release',
    (sha) => {
      for (const role of ROLES.filter((role) => role !== 'smoke')) {
        expect(faultsOf([role], { ...outside, DRAGONFLY_GIT_SHA: sha })).toEqual([
          'DRAGONFLY_GIT_SHA: outside dev the full hash of a clean commit is required.',
        ]);
      }
    },
  );

  it('what only development may do is refused', () => {
    expect(
      faultsOf(ROLES, { ...outside, DRAGONFLY_CORS_ORIGINS: '*', DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true' }),
    ).toEqual([
      'DRAGONFLY_CORS_ORIGINS: * is allowed in dev only.',
      'DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: allowed in dev only.',
    ]);
  });
});

it('[SEC-8] the API does not start in prod without the Redis that replicas share, and does in staging', () => {
  const alone = { ...COMPLETE, DRAGONFLY_REDIS_URL: undefined };
  expect(faultsOf(['api'], alone)).toEqual([
    expect.stringMatching(/^DRAGONFLY_REDIS_URL: required in prod, .* DRAGONFLY_REDIS_URL_FILE\.$/),
  ]);
  expect(faultsOf(['api'], { ...alone, DRAGONFLY_ENV: 'staging' })).toEqual([]);
  expect(faultsOf(['worker', 'migrate'], alone)).toEqual([]);
});

it('[SEC-3] what serves metrics does not start in prod without their token, and does in staging', () => {
  const open = { ...COMPLETE, DRAGONFLY_METRICS_TOKEN: undefined };
  for (const role of ['api', 'worker'] as const) {
    expect(faultsOf([role], open)).toEqual([
      expect.stringMatching(/^DRAGONFLY_METRICS_TOKEN: required in prod\. .* DRAGONFLY_METRICS_TOKEN_FILE/),
    ]);
    expect(faultsOf([role], { ...open, DRAGONFLY_ENV: 'staging' })).toEqual([]);
  }
  expect(faultsOf(['migrate', 'keys'], open)).toEqual([]);
  for (const token of ['short', 'x y'.repeat(12), 'change-me-change-me-change-me-change-me']) {
    expect(faultsOf(['api'], { ...COMPLETE, DRAGONFLY_METRICS_TOKEN: token })).toHaveLength(1);
  }
});

it('[SEC-2] an environment that names no stage is held to the rules of prod', () => {
  expect(
    faultsOf(ROLES, { ...COMPLETE, DRAGONFLY_ENV: undefined, DRAGONFLY_GIT_SHA: 'unknown' }),
  ).toHaveLength(1);
});

it('in dev, simple passwords, an unknown commit and loopback receivers are accepted', () => {
  expect(
    faultsOf(ROLES, {
      ...COMPLETE,
      DRAGONFLY_ENV: 'dev',
      DRAGONFLY_GIT_SHA: 'unknown',
      DRAGONFLY_API_DATABASE_URL: 'postgres://dragonfly_api:postgres@127.0.0.1/app',
      DRAGONFLY_CORS_ORIGINS: '*',
      DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true',
    }),
  ).toEqual([]);
});

it('[SEC-12] the roles that get the rights are those that the service connects as', () => {
  expect(
    faultsOf(['roles'], {
      ...COMPLETE,
      DRAGONFLY_API_ROLE: 'another',
      DRAGONFLY_WORKER_DATABASE_URL: COMPLETE.DRAGONFLY_API_DATABASE_URL,
    }),
  ).toEqual([
    'DRAGONFLY_API_DATABASE_URL: its user must be the role that DRAGONFLY_API_ROLE names.',
    'DRAGONFLY_WORKER_DATABASE_URL: its user must be the role that DRAGONFLY_WORKER_ROLE names.',
  ]);
});

const listening = (url: string | undefined, pooler = 'none') =>
  faultsOf(['worker'], {
    ...COMPLETE,
    DRAGONFLY_WORKER_LISTEN_URL: url,
    DRAGONFLY_DATABASE_POOLER: pooler,
  });

describe('where the worker listens', () => {
  it('must be said with a transaction pooler, and may be nowhere', () => {
    const direct = COMPLETE.DRAGONFLY_WORKER_DATABASE_URL;
    expect(listening(undefined)).toEqual([]);
    expect(listening(direct, 'transaction')).toEqual([]);
    expect(listening('none', 'transaction')).toEqual([]);
    expect(listening(undefined, 'transaction')).toEqual([
      expect.stringMatching(/^DRAGONFLY_WORKER_LISTEN_URL: required with a transaction pooler\./),
    ]);
    expect(faultsOf(['api'], { ...COMPLETE, DRAGONFLY_DATABASE_POOLER: 'transaction' })).toEqual([]);
  });

  it('[SEC-2] is a URL or none, with a password like any other', () => {
    expect(listening('nowhere')).toEqual([expect.stringMatching(/, or none\.$/)]);
    expect(listening('postgres://dragonfly_worker:short@db/app')).toEqual([
      expect.stringMatching(/^DRAGONFLY_WORKER_LISTEN_URL: .*password/),
    ]);
  });

  it('[SEC-12] is no way to come as somebody else', () => {
    expect(listening(COMPLETE.DRAGONFLY_OWNER_DATABASE_URL)).toEqual([
      'DRAGONFLY_WORKER_LISTEN_URL: its user must be that of DRAGONFLY_WORKER_DATABASE_URL.',
    ]);
  });
});

describe('[Q-6] the heart of a worker', () => {
  it('beats, gives up, is taken for dead: in that order', () => {
    expect(beats('300ms', '700ms', '1s')).toEqual([]);
    expect(beats('1s', '1s', '2s')).toHaveLength(1);
    expect(beats('1s', '2s', '2s')).toHaveLength(1);
    expect(beats('30s', '20s', '60s')).toHaveLength(1);
  });

  it('is 30, 45 and 60 seconds when nothing is said', () => {
    expect(faultsOf(['worker'], { ...COMPLETE, DRAGONFLY_WORKER_ABORT_AFTER: '30s' })).toHaveLength(1);
    expect(faultsOf(['worker'], { ...COMPLETE, DRAGONFLY_WORKER_ABORT_AFTER: '60s' })).toHaveLength(1);
    expect(faultsOf(['worker'], { ...COMPLETE, DRAGONFLY_WORKER_ABORT_AFTER: '31s' })).toEqual([]);
  });
});

describe('[ARC-7] the time-outs of a webhook', () => {
  it('together end before the deadline of the job', () => {
    expect(timeouts('9999ms', '20s')).toEqual([]);
    expect(timeouts('10s', '20s')).toEqual([
      expect.stringMatching(/together must be shorter than the deadline of a delivery, 30s\.$/),
    ]);
  });

  it('are compared with the deadline that the job type has', () => {
    expect(milliseconds(DELIVERY_DEADLINE)).toBe(webhookDeliver.timeoutSeconds * 1000);
  });
});

const beats = (beat: string, abort: string, dead: string) =>
  faultsOf(['worker'], {
    ...COMPLETE,
    DRAGONFLY_WORKER_HEARTBEAT_INTERVAL: beat,
    DRAGONFLY_WORKER_ABORT_AFTER: abort,
    DRAGONFLY_WORKER_DEAD_AFTER: dead,
  });

const timeouts = (connect: string, response: string) =>
  faultsOf(['worker'], {
    ...COMPLETE,
    DRAGONFLY_WEBHOOK_CONNECT_TIMEOUT: connect,
    DRAGONFLY_WEBHOOK_RESPONSE_TIMEOUT: response,
  });

describe('[AV-6] the time-outs of a shutdown', () => {
  const roles = ['api', 'worker'] as const;

  it.each([
    ['the API', { DRAGONFLY_SHUTDOWN_DELAY: '30s', DRAGONFLY_SHUTDOWN_TIMEOUT: '10s' }],
    ['the worker', { DRAGONFLY_WORKER_DRAIN_TIMEOUT: '35s' }],
    ['the goodbye', { DRAGONFLY_WORKER_GOODBYE_TIMEOUT: '20s' }],
    ['the last statement', { DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: '20s' }],
    ['what is closed', { DRAGONFLY_SHUTDOWN_CLOSE_TIMEOUT: '17s' }],
  ])('may not be longer than the grace period because of %s', (_, changes) => {
    expect(faultsOf(roles, { ...COMPLETE, ...changes })).toEqual([
      expect.stringMatching(/^DRAGONFLY_SHUTDOWN_GRACE: a shutdown may take 47 s;/),
    ]);
    expect(faultsOf(roles, { ...COMPLETE, ...changes, DRAGONFLY_SHUTDOWN_GRACE: '47s' })).toEqual([]);
  });

  it('of a role that is not run do not count', () => {
    expect(faultsOf(['api'], { ...COMPLETE, DRAGONFLY_WORKER_DRAIN_TIMEOUT: '1h' })).toEqual([]);
  });
});
