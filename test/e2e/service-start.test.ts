import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { roleNames, testDatabase } from '#test/support/database.ts';
import { queueWebhook, untilJob } from '#test/support/jobs.ts';
import { receiver } from '#test/support/receiver.ts';
import { type Ended, GIT_SHA, dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { tcpProxy } from '#test/support/tcp-proxy.ts';
import { until } from '#test/support/until.ts';
import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';

const database = await testDatabase();
const service = dragonfly(database);

/** Random, as outside dev all of them must be. */
const STRONG = 'q7Zr2VwX9tLk4mNp8sYd3fGh6jBc1aEu';

const linesOf = ({ stderr }: Ended): string[] => stderr.trimEnd().split('\n');

async function rows(text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: database.urls.admin });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** A port of loopback that is taken until the calling test ends. */
async function busyPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return String((server.address() as AddressInfo).port);
}

const migrate = async (direction: string): Promise<Ended> =>
  await service.run(['migrate', direction], {
    DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
    ...roleNames(database),
  });

describe('a wrong configuration', () => {
  it('[AV-8] [SEC-1] stops the start with all its faults at once, and without a value', async () => {
    const values = {
      PORT: 'harbour',
      DRAGONFLY_API_DATABASE_URL: 'mysql://api:br0ken-pa55word@localhost/jobs',
      DRAGONFLY_WORKER_DATABASE_URL: '',
      DRAGONFLY_SHUTDOWN_DELAY: 'presently',
      DRAGONFLY_WEBHOK_SECRET: STRONG,
    };
    const ended = await service.run(['all'], values);
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.ms).toBeLessThan(8000);
    for (const name of Object.keys(values)) expect(ended.stderr).toContain(`  - ${name}: `);
    expect(ended.stderr).toContain('The configuration has 5 fault(s)');
    expect(ended.stderr).toContain('DRAGONFLY_WEBHOOK_SECRET');
    for (const value of Object.values(values).filter((text) => text !== '')) {
      expect(ended.stderr).not.toContain(value);
    }
    expect(ended.stderr).not.toContain('br0ken-pa55word');
  });

  it('[SEC-2] [SEC-3] [SEC-8] [DEP-1] is one without a commit, a Redis, a token of metrics or secrets that nobody guesses, in prod', async () => {
    const ended = await service.run(['all'], {
      DRAGONFLY_ENV: 'prod',
      DRAGONFLY_GIT_SHA: 'unknown',
      DRAGONFLY_API_DATABASE_URL: 'postgres://api:short@127.0.0.1/jobs',
      DRAGONFLY_WORKER_DATABASE_URL: `postgres://worker:${STRONG}@127.0.0.1/jobs`,
      DRAGONFLY_WEBHOOK_SECRET: 'change-me-change-me-change-me-change-me',
      DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'false',
    });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(linesOf(ended)).toEqual([
      'The configuration has 5 fault(s):',
      expect.stringMatching('DRAGONFLY_API_DATABASE_URL'),
      expect.stringMatching('DRAGONFLY_WEBHOOK_SECRET'),
      expect.stringMatching('DRAGONFLY_GIT_SHA'),
      expect.stringMatching('DRAGONFLY_REDIS_URL'),
      expect.stringMatching('DRAGONFLY_METRICS_TOKEN'),
    ]);
  });

  it('[SEC-1] [AV-8] is shown by `config`, with the faults of the start and exit code 1', async () => {
    const environment = {
      DRAGONFLY_ENV: 'dev',
      PORT: 'harbour',
      DRAGONFLY_API_DATABASE_URL: database.urls.api,
    };
    const ended = await service.run(['config', 'api', '--json'], environment);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toBe('');
    expect(JSON.parse(ended.stdout)).toMatchObject({
      roles: ['api'],
      faults: ['PORT: A whole number from 0 to 65535.'],
      variables: expect.arrayContaining([
        { name: 'PORT', value: 'invalid', source: 'environment', roles: ['api'] },
        { name: 'DRAGONFLY_API_DATABASE_URL', value: 'set', source: 'environment', roles: ['api', 'roles'] },
      ]) as unknown,
    });
    expect(ended.stdout).not.toContain(new URL(database.urls.api).password);
    const correct = await service.run(['config', 'api'], { ...environment, PORT: '8080' });
    expect(correct).toMatchObject({ code: 0, stderr: '' });
    expect(correct.stdout).toMatch(/^PORT +8080 +environment +api$/m);
  });

  it.for(['', 'serve', 'api now', 'migrate sideways'])(
    'is not what "%s" on the command line is: that is answered with the usage and exit code 2',
    async (line) => {
      const ended = await service.run(line.split(' '));
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toMatch(/^Usage: dragonfly/m);
    },
  );
});

it('[SEC-4] a command that its role may not run is a security event on standard error, and ends with 1', async () => {
  const ended = await service.run(['migrate', 'up'], { DRAGONFLY_CLI_ROLE: 'reader' });
  expect(ended).toMatchObject({ code: 1, stdout: '' });
  const detail = 'The role reader of the command line (DRAGONFLY_CLI_ROLE) may not schema:migrate.';
  const [event = '', ...more] = linesOf(ended);
  expect(JSON.parse(event)).toEqual({
    timestamp: expect.any(String),
    level: 'ERROR',
    message: 'security violation',
    service: 'dragonfly-cli',
    git_sha: GIT_SHA,
    event: 'permission_denied',
    actor: 'cli:reader',
    command: 'migrate up',
    detail,
  });
  expect(more).toEqual([`dragonfly: ${detail}`]);
});

describe('PostgreSQL at start', () => {
  it('[AV-8] is waited for until the time-out, then one line says that it is not there', async () => {
    const nowhere = await tcpProxy(database.urls.api);
    await nowhere.close();
    const ended = await service.run(['api'], {
      DRAGONFLY_API_DATABASE_URL: nowhere.url,
      DRAGONFLY_START_TIMEOUT: '1s',
    });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(linesOf(ended)).toEqual([
      expect.stringMatching(/^dragonfly: The database cannot be reached .*ECONNREFUSED/),
    ]);
    expect(ended.stderr).not.toContain(new URL(nowhere.url).password);
  });

  it('[AV-8] may come a little later than the service', async () => {
    const postgres = await tcpProxy(database.urls.api);
    await postgres.close();
    const wire = await tcpProxy(postgres.url);
    onTestFinished(async () => {
      await wire.close();
      await postgres.close();
    });
    const starting = service.launch(['api'], { DRAGONFLY_API_DATABASE_URL: wire.url });
    await until(() => {
      expect(wire.connections).toBeGreaterThan(1);
    });
    await postgres.open();
    const { apiUrl } = await starting.ready;
    expect((await fetch(`${apiUrl}/readyz`)).status).toBe(200);
  });

  it('[AV-6] is not waited for any longer after SIGTERM', async () => {
    const wire = await tcpProxy(database.urls.api);
    wire.freeze();
    onTestFinished(wire.close);
    const { child, ended } = service.launch(['api'], {
      DRAGONFLY_API_DATABASE_URL: wire.url,
      DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: '1m',
    });
    await until(() => {
      expect(wire.connections).toBe(1);
    });
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a busy port', () => {
  it.for(['PORT', 'DRAGONFLY_METRICS_PORT'])(
    '[AV-8] of %s stops the start with one line, before the worker takes anything',
    async (variable) => {
      await rows(`select ops.queue_job('webhook.deliver', '{"url": "http://127.0.0.1:9", "body": 1}')`);
      const port = await busyPort();
      const ended = await service.run(['all'], { [variable]: port });
      expect(ended.code).toBe(1);
      expect(linesOf(ended)).toEqual([expect.stringMatching(`^dragonfly: .*EADDRINUSE.*127.0.0.1:${port}`)]);
      expect(await rows('select status, attempts from ops.job_now where attempts > 0')).toEqual([]);
      expect(await rows('select * from ops.worker')).toEqual([]);
    },
  );
});

it('[AV-2] is alive but not ready while the schema is older than the build, and works once it is migrated', async () => {
  expect(await migrate('down')).toMatchObject({ code: 0, stderr: '' });
  const { apiUrl, metricsUrl, logged } = await service.serve('all');
  const statusOf = async (path: string): Promise<number> => (await fetch(`${metricsUrl}${path}`)).status;
  expect([await statusOf('/health'), await statusOf('/readyz')]).toEqual([200, 503]);
  await until(() => {
    expect(logged('readiness lost')).toMatchObject([
      { level: 'WARNING', reasons: { postgres: expect.stringContaining('this build needs') as string } },
    ]);
  });

  expect(await migrate('up')).toMatchObject({ code: 0, stderr: 'migrating\n' });
  await until(async () => {
    expect(await statusOf('/readyz')).toBe(200);
  });
  const client = await testClient(database, apiUrl);
  const { url } = await receiver();
  const { id } = await queueWebhook(client, url);
  await untilJob(client, id, { status: 'completed' });
});
