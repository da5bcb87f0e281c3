import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { apiKeyFormat } from '#src/adapters/outbound/api-key/format.ts';
import { postgresApiKeys } from '#src/adapters/outbound/postgres/api-keys.ts';
import { EXPECTED_GRANTS } from '#src/adapters/outbound/postgres/expected-grants.ts';
import { type SqlQuery, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueFreeze } from '#src/adapters/outbound/postgres/queue-freeze.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { FoundKey } from '#src/application/access/ports.ts';
import type { Grant } from '#src/application/checks/security/facts.ts';
import { THE_DATABASE } from '#src/application/checks/security/grant-findings.ts';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { asAdmin } from '../support/cluster.ts';
import { roleNames, testDatabase } from '../support/database.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

const { urls } = await testDatabase();

/** Runs a command line; its database is reached by way of `host`, if one is given. */
async function run(line: string, startTimeout = '0ms', host?: string): Promise<string> {
  const at = (text: string): string => {
    const url = new URL(text);
    if (host !== undefined) url.host = host;
    return url.href;
  };
  const { output } = await invoke(line.split(' '), {
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_START_TIMEOUT: startTimeout,
    DRAGONFLY_ADMIN_DATABASE_URL: at(urls.admin),
    DRAGONFLY_OWNER_DATABASE_URL: at(urls.owner),
    DRAGONFLY_API_DATABASE_URL: at(urls.api),
    DRAGONFLY_WORKER_DATABASE_URL: at(urls.worker),
    ...roleNames({ urls }),
  });
  return output;
}

describe('[AV-8] a command', () => {
  it.for(['roles', 'migrate up', 'keys create --organization acme --name waiting'])(
    'ends when the server is silent: %s',
    async (line) => {
      const proxy = await tcpProxy(urls.owner);
      proxy.freeze();
      const started = performance.now();
      const work = run(line, '0ms', new URL(proxy.url).host);
      await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(performance.now() - started).toBeLessThan(5000);
      await proxy.close();
    },
  );

  it.for(['migrate up', 'keys create --organization acme --name waiting'])(
    'waits for a server that comes within the time for the start: %s',
    async (line) => {
      const proxy = await tcpProxy(urls.owner);
      await proxy.close();
      const work = run(line, '10s', new URL(proxy.url).host);
      await Promise.race([work, sleep(300)]);
      await proxy.open();
      await expect(work).resolves.not.toBe('');
      await proxy.close();
    },
  );
});

it('[AV-8] `roles` says that the administrator has to stand in another database than the one to be made', async () => {
  const elsewhere = Object.assign(new URL(urls.admin), { pathname: '/not_there' }).href;
  const work = invoke(['roles'], {
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_ADMIN_DATABASE_URL: elsewhere,
    DRAGONFLY_OWNER_DATABASE_URL: urls.owner,
    DRAGONFLY_API_DATABASE_URL: urls.api,
    DRAGONFLY_WORKER_DATABASE_URL: urls.worker,
    ...roleNames({ urls }),
  });
  await expect(work).rejects.toThrow('does not exist: DRAGONFLY_ADMIN_DATABASE_URL has to name');
});

/** The order of names depends on the collation of the server. */
const sorted = (table: readonly (readonly string[])[]): string[] =>
  table.map((row) => row.join(' | ')).toSorted();

describe('[SEC-12] `roles`, of an installation that is new', () => {
  const { adminUrl } = inject('cluster');
  const database = `dragonfly_roles_${randomBytes(4).toString('hex')}`;
  const names = Object.fromEntries(
    (['owner', 'api', 'worker', 'readonly'] as const).map((role) => [role, `${database}_${role}`]),
  ) as Record<'owner' | 'api' | 'worker' | 'readonly', string>;
  const urlAs = (username: string): string =>
    Object.assign(new URL(adminUrl), {
      username,
      password: randomBytes(18).toString('base64url'),
      pathname: `/${database}`,
    }).href;
  const environment = {
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_ADMIN_DATABASE_URL: adminUrl,
    DRAGONFLY_OWNER_DATABASE_URL: urlAs(names.owner),
    DRAGONFLY_API_DATABASE_URL: urlAs(names.api),
    DRAGONFLY_WORKER_DATABASE_URL: urlAs(names.worker),
    DRAGONFLY_API_ROLE: names.api,
    DRAGONFLY_WORKER_ROLE: names.worker,
    DRAGONFLY_READONLY_ROLE: names.readonly,
  };
  const asSuperuser = async (text: string) => await asAdmin(adminUrl, async (client) => client.query(text));
  afterAll(async () => {
    await asSuperuser(`drop database if exists ${database} with (force)`);
    for (const name of Object.values(names)) await asSuperuser(`drop role if exists ${name}`);
  });

  it('makes them and the database, and prints what the migrations grant as the committed table', async () => {
    const { output: before } = await invoke(['roles'], environment);
    expect(before).toContain('roles and database are there');
    await invoke(['migrate', 'up'], environment);
    const { output, code } = await invoke(['roles', '--json'], environment);
    expect(code).toBe(0);
    const meant = new Map(Object.entries(names).map(([role, name]) => [name, role]));
    const { grants } = JSON.parse(output) as { grants: Grant[] };
    const printed = grants.map(({ role, kind, object, privileges }) => [
      meant.get(role) ?? role,
      kind,
      object === database ? THE_DATABASE : object,
      privileges,
    ]);
    expect(sorted(printed)).toEqual(sorted(EXPECTED_GRANTS));
    const { output: table } = await invoke(['roles'], environment);
    const lines = table.replaceAll(/ +/g, ' ').split('\n').slice(-grants.length);
    expect(lines).toEqual(
      grants.map(({ role, kind, object, privileges }) => [role, kind, privileges, object].join(' ')),
    );
  });

  it.for(['superuser', 'bypassrls', 'createrole', 'createdb', 'replication'])(
    'refuses a role that is there already and has %s, and changes nothing',
    async (attribute) => {
      const { rows } = await asSuperuser(
        `select rolpassword from pg_authid where rolname = '${names.worker}'`,
      );
      await asSuperuser(`alter role ${names.worker} ${attribute}`);
      const changed = { ...environment, DRAGONFLY_WORKER_DATABASE_URL: urlAs(names.worker) };
      await expect(invoke(['roles'], changed)).rejects.toThrow(
        `${names.worker} (${attribute}). Nothing was changed. If the role is the service's alone: alter role "${names.worker}" no${attribute};`,
      );
      const now = await asSuperuser(`select rolpassword from pg_authid where rolname = '${names.worker}'`);
      expect(now.rows).toEqual(rows);
      await asSuperuser(`alter role ${names.worker} no${attribute}`);
      await expect(invoke(['roles'], environment)).resolves.toMatchObject({ code: 0 });
    },
  );

  it('refuses the administrator as the owner of the schema', async () => {
    const asOwner = Object.assign(new URL(adminUrl), { pathname: `/${database}` }).href;
    const work = invoke(['roles'], { ...environment, DRAGONFLY_OWNER_DATABASE_URL: asOwner });
    await expect(work).rejects.toThrow(/superuser\)\. .*Otherwise give the service another one\./);
  });
});

const find = async (key: string): Promise<FoundKey | undefined> =>
  await withPool({ url: urls.api }, 'test', async (pool) => {
    return await postgresApiKeys(pool).find(apiKeyFormat.hash(key) ?? '');
  });

interface Listed {
  readonly id: string;
  readonly organization: string;
  readonly name: string;
  readonly revoked_at: string | null;
}
const list = async (of = ''): Promise<Listed[]> =>
  JSON.parse(await run(`keys list --json${of && ` --organization ${of}`}`)) as Listed[];

describe('[SEC-5] `keys list`', () => {
  it('shows the keys of one organisation, or of all, and no secret', async () => {
    const secret = await run('keys create --organization lister --name shown --role viewer');
    await run('keys create --organization neighbour --name shown');
    await run('keys revoke --organization neighbour --name shown');
    expect(await list('lister')).toEqual([
      {
        organization: 'lister',
        id: expect.any(String),
        name: 'shown',
        role: 'viewer',
        scopes: null,
        created_by: null,
        created_at: expect.any(String),
        expires_at: expect.any(String),
        revoked_at: null,
        last_used_at: null,
      },
    ]);
    expect(await list()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ organization: 'lister', name: 'shown' }),
        expect.objectContaining({ organization: 'neighbour', revoked_at: expect.any(String) }),
      ]),
    );
    const table = await run('keys list --organization lister');
    expect(table).toMatch(/^ORGANIZATION +NAME +ID .*\nlister +shown +[0-9a-f-]{36} +viewer /);
    expect(table + JSON.stringify(await list())).not.toContain(secret.slice(4));
  });

  it('fails for an organisation that there is not', async () => {
    await expect(run('keys list --organization nowhere')).rejects.toThrow(
      'There is no organisation nowhere.',
    );
  });
});

const hours = (at = Number.NaN): number => Math.round((at - Date.now()) / 3_600_000);

describe('[SEC-5] [SEC-18] `keys rotate`', () => {
  it('prints a second key with the same rights once, and lets the first one end after the overlap', async () => {
    const first = await run('keys create --organization rotor --name app --role operator');
    const [key] = await list('rotor');
    const second = await run(`keys rotate ${key?.id ?? ''} --organization rotor --days 30 --overlap-hours 2`);
    expect(apiKeyFormat.isWellFormed(second)).toBe(true);
    const [old, successor] = [await find(first), await find(second)];
    expect(successor).toMatchObject({ role: 'operator', scopes: null });
    expect([hours(old?.expiresAt), hours(successor?.expiresAt)]).toEqual([2, 720]);
    expect(JSON.stringify(await list('rotor'))).not.toContain(second.slice(4));
    const actors = await run('audit list --limit 1 --json');
    expect(actors).toMatch(/"action": "api_key.rotate"/);
    expect(actors).toContain(`"actor": "role:${new URL(urls.owner).username}"`);
  });

  it('refuses a key that has a successor already, and one of another organisation', async () => {
    await run('keys create --organization rotor --name twice');
    const { id = '' } = (await list('rotor')).find(({ name }) => name === 'twice') ?? {};
    await run(`keys rotate ${id} --organization rotor`);
    await expect(run(`keys rotate ${id} --organization rotor`)).rejects.toMatchObject({
      code: 'api_key_rotating',
    });
    await run('keys create --organization foreign --name app');
    await expect(run(`keys rotate ${id} --organization foreign`)).rejects.toMatchObject({
      code: 'api_key_not_found',
    });
  });

  it.for([
    'keys rotate',
    'keys rotate 019c1222-7c00-7d3b-9a54-3f1c6a2e8b91',
    'keys rotate app --organization acme',
    'keys rotate 019c1222-7c00-7d3b-9a54-3f1c6a2e8b91 --organization acme --days 91',
    'keys rotate 019c1222-7c00-7d3b-9a54-3f1c6a2e8b91 --organization acme --overlap-hours 25',
    'keys create --organization acme --name x --hours 2161',
  ])('`%s` is a usage error', async (line) => {
    await expect(run(line)).rejects.toBeInstanceOf(UsageError);
  });
});

describe('[SEC-5] `keys revoke`', () => {
  it('ends the key of that organisation and name, and no other', async () => {
    const leaked = await run('keys create --organization acme --name leaked');
    const other = await run('keys create --organization acme --name other');
    const stranger = await run('keys create --organization stranger --name leaked --hours 1');
    expect(await run('keys revoke --organization acme --name leaked')).toMatch(/^revoked/);
    expect(await find(leaked)).toBeUndefined();
    expect(await find(other)).toMatchObject({ expiresAt: expect.any(Number) });
    const { expiresAt = Number.NaN } = (await find(stranger)) ?? {};
    expect(Math.abs(expiresAt - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  it.for(['--organization nobody --name leaked', '--organization acme --name none'])(
    'fails when there is no live key: %s',
    async (names) => {
      await run('keys create --organization acme --name some');
      await expect(run(`keys revoke ${names}`)).rejects.toThrow('has no live key');
    },
  );

  it.for(['keys', 'keys revoke', 'keys revoke --organization acme', 'keys revoke --name x --hours 1'])(
    '`%s` is a usage error',
    async (line) => {
      await expect(run(line)).rejects.toBeInstanceOf(UsageError);
    },
  );
});

const asOwner = async (statement: SqlQuery) =>
  await withPool({ url: urls.owner }, 'test', async (pool) => await query(pool, statement));
const sql = async (text: string): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  await withPool({ url: urls.owner }, 'test', async (pool) => (await pool.query(text)).rows);
const beat = async (): Promise<unknown> =>
  (await sql(`select command from ops.worker_beat('worker-1', 'test', null, 'running', 60, null, null)`))[0];
const acts = async (action: string): Promise<unknown> =>
  await sql(
    `select actor, outcome, target, detail from ops.audit_log where action = '${action}' order by id`,
  );
const OWNER = `role:${new URL(urls.owner).username}`;

describe('[DATA-9] `workers`', () => {
  it('drain, stop and resume are what a worker hears with its next beat, and are in the audit log', async () => {
    await beat();
    expect(await run('workers list')).toMatch(/^ID .*COMMAND.*\nworker-1 +test +running +run +true /);
    for (const [line, command] of [
      ['drain', 'drain'],
      ['stop', 'stop'],
      ['resume', 'run'],
    ] as const) {
      expect(await run(`workers ${line} worker-1`)).toMatch(/^told: /);
      expect(await beat()).toEqual({ command });
      expect(JSON.parse(await run('workers list --json'))).toMatchObject([{ id: 'worker-1', command }]);
    }
    expect(await acts('worker.command')).toEqual(
      ['drain', 'stop', 'run'].map((command) => ({
        actor: OWNER,
        outcome: 'done',
        target: 'worker-1',
        detail: { command },
      })),
    );
  });

  it('say that there is no such worker', async () => {
    await expect(run('workers stop worker-2')).rejects.toThrow('There is no worker worker-2.');
    await expect(run('workers drain')).rejects.toBeInstanceOf(UsageError);
  });

  it('reap sends back what dead workers have', async () => {
    const [lost] = await sql(`select ops.queue_job('lost', '1') as id`);
    await sql(`select from ops.claim_jobs('{lost}', 1, 0, 'nobody')`);
    expect(JSON.parse(await run('workers reap --json'))).toEqual([
      { id: lost?.['id'], type: 'lost', became: 'requeued' },
    ]);
    expect(await run('workers reap')).toBe('ID  TYPE  BECAME');
  });
});

it('[DEP-4] `queues freeze` and `unfreeze` say since when no worker claims, and are in the audit log', async () => {
  expect(await run('queues freeze')).toMatch(/^frozen since \d{4}-\S+ \(an operator\): /);
  const status = JSON.parse(await run('queues status --json')) as unknown;
  expect(status).toEqual({ frozen_since: expect.stringMatching(/Z$/), frozen_by: null });
  expect(JSON.parse(await run('queues freeze --json')), 'for the second time').toEqual(status);
  await sql(`select ops.queue_job('cold', '1')`);
  expect(await sql(`select from ops.claim_jobs('{cold}', 1, 0, 'nobody')`)).toEqual([]);
  expect(await run('queues unfreeze')).toBe('not frozen: workers claim jobs');
  expect(await sql(`select from ops.claim_jobs('{cold}', 1, 0, 'nobody')`)).toHaveLength(1);
  expect(await acts('queues.freeze')).toMatchObject([
    { actor: OWNER, outcome: 'done' },
    { actor: OWNER, outcome: 'unchanged' },
  ]);
  expect(await acts('queues.unfreeze')).toMatchObject([{ actor: OWNER, outcome: 'done' }]);
});

it('[DEP-4] `queues freeze` takes over the freeze of a release, which then does not end it', async () => {
  const release = postgresQueueFreeze(asOwner, 'somebody');
  await release.freeze();
  expect(await run('queues status')).toMatch(/^frozen since \S+ \(release by somebody, until it ends\): /);
  expect(await run('queues freeze')).toMatch(/^frozen since \S+ \(an operator\): /);
  await release.unfreeze();
  expect(await run('queues status')).toMatch(/^frozen since \S+ \(an operator\): /);
  expect(await run('queues unfreeze')).toBe('not frozen: workers claim jobs');
});

it('webhook-secret refuses the name of an organisation, which would give a secret that fits none', async () => {
  await expect(run('webhook-secret --organization acme')).rejects.toThrow(UsageError);
});
