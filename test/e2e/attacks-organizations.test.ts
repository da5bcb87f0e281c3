import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { asAdmin } from '#test/support/cluster.ts';
import { type Operation, operations, pathOf } from '#test/support/contract.ts';
import { testDatabase } from '#test/support/database.ts';
import { jobIn, webhookTo } from '#test/support/jobs.ts';
import { type Row, rowsOf } from '#test/support/rows.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { type TestClient, testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';

const database = await testDatabase();
// One connection serves all: what a request leaves behind in it, the next one finds.
const service = await dragonfly(database).serve('api', {
  DRAGONFLY_DATABASE_POOL_MAX: '1',
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: '20s',
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: '20s',
  DRAGONFLY_SHED_WAIT: '20s',
});
const acme = await testClient(database, service.apiUrl);
const stranger = await testClient(database, service.apiUrl, 'stranger');
const apiRole = new URL(database.urls.api).username;

const asSuperuser = async (text: string, ...values: unknown[]): Promise<Row[]> =>
  await asAdmin(database.urls.admin, async (admin) => (await admin.query<Row>(text, values)).rows);
const connections = async (waiting = ''): Promise<Row[]> =>
  await asSuperuser(
    `select pid from pg_stat_activity where datname = $1 and usename = $2 and coalesce(wait_event_type, '') like $3`,
    database.name,
    apiRole,
    waiting || '%',
  );

const withKey = (): Record<string, string> => ({ 'idempotency-key': randomUUID() });
/** A job that says by itself whose it is. */
const jobOf = ({ organizationId }: TestClient): object =>
  webhookTo('https://a.example', { payload: { url: 'https://a.example', body: { of: organizationId } } });
const queue = async (by: TestClient, headers: Record<string, string> = {}) =>
  await jobIn(await by.request('POST', '/v1/jobs', jobOf(by), headers));

const idsOf = (rows: readonly Row[] = []): string[] =>
  rows.map(({ id }) => String(id)).toSorted((a, b) => a.localeCompare(b));

async function listed(by: TestClient, path: string, member: string): Promise<string[]> {
  const response = await by.request('GET', `${path}?limit=100`);
  expect(response.status).toBe(200);
  const page = (await response.json()) as Readonly<Record<string, Row[]>>;
  return idsOf(page[member]);
}

/** What a client is shown is all that its organisation has, and that is what it sent itself. */
async function expectItsOwn(client: TestClient): Promise<void> {
  const shown = {
    jobs: await listed(client, '/v1/jobs', 'jobs'),
    keys: await listed(client, '/v1/api-keys', 'api_keys'),
    acts: await listed(client, '/v1/audit', 'entries'),
  };
  const {
    'ops.job': jobs = [],
    'public.api_key': keys = [],
    ...others
  } = await rowsOf(database, client.organizationId);
  expect(shown).toEqual({ jobs: idsOf(jobs), keys: idsOf(keys), acts: idsOf(others['ops.audit_log']) });
  const me = (await (await client.request('GET', '/v1/me')).json()) as { actor: string; organization: Row };
  expect(me.organization['id']).toBe(client.organizationId);
  for (const { payload, created_by } of jobs) {
    expect([created_by, payload]).toMatchObject([me.actor, { body: { of: client.organizationId } }]);
  }
}

/** Asks, and does something to the server process in which the statement of the request waits for a lock. */
async function whileItWaits(ask: () => Promise<unknown>, act: (pid: unknown) => unknown): Promise<void> {
  await asAdmin(database.urls.admin, async (holder) => {
    await holder.query('begin');
    await holder.query('lock table ops.job in access exclusive mode');
    const asked = Promise.allSettled([ask()]);
    const waiting = await until(async () => {
      const [one] = await connections('Lock');
      if (!one) throw new Error('No statement waits for the lock.');
      return one;
    });
    await act(waiting['pid']);
    await holder.query('rollback');
    await asked;
  });
}

describe.for([
  ['without an Idempotency-Key', (): Record<string, string> => ({})],
  ['with one', withKey],
] as const)('[SEC-11] one connection shows each of two organisations its own, %s,', ([, headers]) => {
  it.for<[string, (by: TestClient) => Promise<unknown>]>([
    ['a request', async (by) => await queue(by, headers())],
    [
      'one that is repeated',
      async (by) => {
        const same = headers();
        return [await queue(by, same), await queue(by, same)];
      },
    ],
    [
      'one that the database refuses',
      async (by) => {
        const body = { name: randomUUID(), role: 'viewer' };
        const answers = [];
        for (const _ of 'ab') answers.push(await by.request('POST', '/v1/api-keys', body, headers()));
        expect(answers.map(({ status }) => status)).toEqual([201, 409]);
      },
    ],
    [
      'one whose statement is cancelled',
      async (by) => {
        const statuses: number[] = [];
        const ask = async () =>
          statuses.push((await by.request('POST', '/v1/jobs', jobOf(by), headers())).status);
        await whileItWaits(ask, async (pid) => await asSuperuser('select pg_cancel_backend($1)', pid));
        expect(statuses).toEqual([503]);
      },
    ],
    [
      'one whose client goes away',
      async (by) => {
        const gone = new AbortController();
        const ask = async () =>
          await fetch(`${service.apiUrl}/v1/jobs`, {
            method: 'POST',
            headers: { authorization: `Bearer ${by.key}`, 'content-type': 'application/json', ...headers() },
            body: JSON.stringify(jobOf(by)),
            signal: gone.signal,
          });
        await whileItWaits(ask, () => {
          gone.abort();
        });
      },
    ],
    [
      'many of both at once',
      async () =>
        await Promise.all(
          Array.from({ length: 10 }, async () => [
            await queue(acme, headers()),
            await queue(stranger, headers()),
          ]),
        ),
    ],
  ])('after %s', async ([, act]) => {
    const before = await connections();
    for (const [by, next] of [
      [acme, stranger],
      [stranger, acme],
    ] as const) {
      await act(by);
      await expectItsOwn(next);
      await expectItsOwn(by);
    }
    expect([before.length, await connections()]).toEqual([1, before]);
  });
});

const NOBODY = '019c1222-7c00-7d3b-9a54-3f1c6a2e8b90';
const inVersion = operations.filter(({ path }) => path.startsWith('/v1/'));
const takesId = ({ parameters }: Operation): boolean =>
  parameters.some(({ schema }) => schema.format === 'uuid');
const resourceOf = ({ path }: Operation): string => path.split('/')[2] ?? '';

const withoutTrace = (text: string): unknown => ({ ...(JSON.parse(text) as object), trace_id: '' });

describe('[SEC-3] [SEC-11] what another organisation has', () => {
  /** Ids of the stranger by resource: what waits, what has ended, what is a dead letter, and a key. */
  const theirs: Record<string, string[]> = { jobs: [], 'api-keys': [] };
  /** What no answer to acme may have: all that acme does not know from `theirs`. */
  let secrets: string[] = [];

  beforeAll(async () => {
    const dead = await queue(stranger);
    await asAdmin(database.urls.worker, async (worker) => {
      await worker.query(`select ops.complete_jobs(array_agg(job_id), array_agg(lease_token), array_agg('failed'::text), array_agg('no'::text))
        from ops.claim_jobs('{webhook.deliver}', 1000, 30, 'test')`);
    });
    const [waits, ended] = [await queue(stranger), await queue(stranger)];
    await stranger.request('POST', `/v1/jobs/${ended.id}/cancel`);
    const created = await stranger.request('POST', '/v1/api-keys', { name: 'theirs', role: 'viewer' });
    const { id } = (await created.json()) as { id: string };
    theirs['jobs'] = [waits.id, ended.id, dead.id];
    theirs['api-keys'] = [id];
    const rows = Object.values(await rowsOf(database, stranger.organizationId)).flat();
    const ids = rows.flatMap((row) => [row['id'], row['trace_id'], row['organization_id']]);
    secrets = ids
      .filter((text) => typeof text === 'string')
      .filter((text) => !Object.values(theirs).flat().includes(text));
  });

  it('is asked for by an id of a kind that is known here, in the path and nowhere else', () => {
    expect(new Set(inVersion.filter(takesId).map(resourceOf))).toEqual(new Set(Object.keys(theirs)));
    const elsewhere = inVersion.flatMap(({ body, parameters }) => [
      body,
      ...parameters.filter((one) => one.in !== 'path'),
    ]);
    expect(JSON.stringify(elsewhere)).not.toContain('"uuid"');
  });

  it.for(inVersion)('is neither shown nor changed by $id', async (operation) => {
    const { method, example } = operation;
    const before = await rowsOf(database, stranger.organizationId);
    const ask = async (id: string, headers: Record<string, string>) => {
      const answer = await acme.request(method, pathOf(operation, { id }), example, headers);
      const text = await answer.text();
      for (const secret of secrets) expect(text).not.toContain(secret);
      return { status: answer.status, text };
    };
    const own: number[] = [];
    for (const headers of method === 'GET' ? [{}] : [{}, withKey()]) {
      for (const id of takesId(operation) ? Object.values(theirs).flat() : [NOBODY]) {
        const [found, none] = [await ask(id, headers), await ask(NOBODY, method === 'GET' ? {} : withKey())];
        if (!takesId(operation)) {
          own.push(found.status);
          continue;
        }
        expect([found.status, withoutTrace(found.text)]).toEqual([404, withoutTrace(none.text)]);
      }
    }
    expect(own[0] ?? 200, 'to their own').toBeLessThan(300);
    expect(await rowsOf(database, stranger.organizationId)).toEqual(before);
  });

  it.for(inVersion.filter(({ parameters }) => parameters.some(({ name }) => name === 'cursor')))(
    'is not behind a cursor of theirs in $id',
    async ({ path }) => {
      const first = await stranger.request('GET', `${path}?limit=1`);
      const { next_cursor } = (await first.json()) as { next_cursor: string };
      const answer = await acme.request('GET', `${path}?cursor=${next_cursor}`);
      expect(answer.status).toBe(200);
      const text = await answer.text();
      for (const secret of secrets) expect(text).not.toContain(secret);
    },
  );
});
