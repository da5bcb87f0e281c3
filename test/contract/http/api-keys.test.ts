import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connectRoles } from '../sql/roles.ts';
import { testDatabase } from '../../support/database.ts';
import { type TestClient, testClient, testService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const database = await testDatabase();
const [one, two] = [await testService(database, ['api']), await testService(database, ['api'])];
const admin = await testClient(database, one.apiUrl);
const { owner } = await connectRoles(database);
const REVOKED_WITHIN_MS = 5000;

interface Key {
  readonly id: string;
  readonly key: string;
  readonly role: string;
}

const create = async (body: Readonly<Record<string, unknown>>, by: TestClient = admin) =>
  await by.request('POST', '/v1/api-keys', body);
const created = async (body: Readonly<Record<string, unknown>>, by?: TestClient): Promise<Key> => {
  const response = await create(body, by);
  expect(response.status).toBe(201);
  return (await response.json()) as Key;
};
const withKey = async (apiUrl: string, key: string, path = '/v1/me', method = 'GET') =>
  await fetch(new URL(path, apiUrl), { method, headers: { authorization: `Bearer ${key}` } });
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;

describe('[SEC-5] an API key', () => {
  it('works from its creation on, with its role and scopes', async () => {
    const { key, ...shown } = await created({ name: 'reader', role: 'operator', scopes: ['jobs:read'] });
    expect(shown).toMatchObject({
      name: 'reader',
      role: 'operator',
      scopes: ['jobs:read'],
      revoked_at: null,
    });
    expect((await withKey(one.apiUrl, key, '/v1/jobs')).status).toBe(200);
    expect(await codeOf(await withKey(one.apiUrl, key, '/v1/queues'))).toBe('permission_denied');
  });

  it('is in no list with its secret, and the list has pages', async () => {
    await created({ name: 'listed', role: 'viewer' });
    const seen: unknown[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const response = await admin.request('GET', `/v1/api-keys?limit=1${cursor && `&cursor=${cursor}`}`);
      const text = await response.text();
      expect(text).not.toContain('dfk_');
      const page = JSON.parse(text) as { api_keys: Key[]; next_cursor: string | null };
      seen.push(...page.api_keys.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThan(1);
  });

  it('is rotated without a moment in which the client has none', async () => {
    const old = await created({ name: 'rotating', role: 'service' });
    const rotated = await admin.request('POST', `/v1/api-keys/${old.id}/rotate`, { overlap_hours: 1 });
    const successor = (await rotated.json()) as Key;
    for (const { key } of [old, successor]) expect((await withKey(one.apiUrl, key)).status).toBe(200);
    const again = await admin.request('POST', `/v1/api-keys/${old.id}/rotate`, {});
    expect(await codeOf(again)).toBe('api_key_rotating');
    expect(await codeOf(await create({ name: 'rotating', role: 'service' }))).toBe('api_key_name_taken');
  });

  it('works nowhere five seconds after it was revoked', async () => {
    const { id, key } = await created({ name: 'leaked', role: 'viewer' });
    for (const { apiUrl } of [one, two]) expect((await withKey(apiUrl, key)).status).toBe(200);
    const revoked = await admin.request('POST', `/v1/api-keys/${id}/revoke`);
    expect(await revoked.json()).toMatchObject({ id, revoked_at: expect.any(String) });
    await Promise.all(
      [one, two].map(
        async ({ apiUrl }) =>
          await expect
            .poll(async () => (await withKey(apiUrl, key)).status, {
              timeout: REVOKED_WITHIN_MS,
              interval: 100,
            })
            .toBe(401),
      ),
    );
    expect((await admin.request('POST', `/v1/api-keys/${id}/revoke`)).status).toBe(200);
  });
});

/** Security events of that kind so far, as the service counts them. */
async function escalations(): Promise<number> {
  const metrics = await (await fetch(new URL('/metrics', one.metricsUrl))).text();
  return Number(/^security_events_total\{event="privilege_escalation"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}

describe('[SEC-3] [SEC-4] nobody gets more than they have', () => {
  it('by creating a key', async () => {
    const before = await escalations();
    const narrow = await created({ name: 'narrow', role: 'admin', scopes: ['api_keys:write', 'jobs:read'] });
    const attempt = async (body: object) =>
      await fetch(new URL('/v1/api-keys', one.apiUrl), {
        method: 'POST',
        headers: { authorization: `Bearer ${narrow.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect(await codeOf(await attempt({ name: 'more', role: 'admin' }))).toBe('privilege_escalation');
    expect(await codeOf(await attempt({ name: 'more', role: 'viewer' }))).toBe('privilege_escalation');
    expect(await escalations()).toBe(before + 2);
    expect((await attempt({ name: 'less', role: 'viewer', scopes: ['jobs:read'] })).status).toBe(201);
  });

  it('by rotating a key that may more', async () => {
    const before = await escalations();
    const strong = await created({ name: 'strong', role: 'admin' });
    const weak = await created({ name: 'weak', role: 'admin', scopes: ['api_keys:write'] });
    const response = await withKey(one.apiUrl, weak.key, `/v1/api-keys/${strong.id}/rotate`, 'POST');
    expect(response.status).toBe(422);
    const rotated = await fetch(new URL(`/v1/api-keys/${strong.id}/rotate`, one.apiUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${weak.key}`, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(await codeOf(rotated)).toBe('privilege_escalation');
    expect(await escalations()).toBe(before + 1);
    expect((await withKey(one.apiUrl, strong.key)).status).toBe(200);
  });

  it('[DATA-7] by guessing ids of another organisation, which look like ids that are not there, and is recorded', async () => {
    const stranger = await testClient(database, one.apiUrl, 'stranger');
    const theirs = await created({ name: 'theirs', role: 'viewer' }, stranger);
    const nobody = '00000000-0000-7000-8000-000000000000';
    const guesses = ['rotate', 'revoke'].flatMap((action) => [
      { action, headers: () => ({}) },
      { action, headers: () => ({ 'idempotency-key': randomUUID() }) },
    ]);
    for (const { action, headers } of guesses) {
      const answers = [];
      for (const id of [theirs.id, nobody]) {
        const body = action === 'rotate' ? {} : undefined;
        const response = await admin.request('POST', `/v1/api-keys/${id}/${action}`, body, headers());
        const { trace_id: _, ...problem } = (await response.json()) as Record<string, unknown>;
        answers.push(problem);
      }
      expect(answers[0]).toMatchObject({ status: 404, code: 'api_key_not_found' });
      expect(answers[0]).toEqual(answers[1]);
    }
    expect((await withKey(one.apiUrl, theirs.key)).status).toBe(200);
    const audit = await admin.request('GET', '/v1/audit?limit=8');
    const { entries } = (await audit.json()) as { entries: { action: string; outcome: string }[] };
    expect(
      entries.map(({ action, outcome }) => `${action} ${outcome}`),
      'DATA-7: who guesses is in the audit log, with an Idempotency-Key, too',
    ).toEqual([
      ...Array.from({ length: 4 }, () => 'api_key.revoke not_found'),
      ...Array.from({ length: 4 }, () => 'api_key.rotate not_found'),
    ]);
  });
});

it('[SEC-3] a key says whose it is', async () => {
  const response = await admin.request('GET', '/v1/me');
  expect(await response.json()).toEqual({
    actor: expect.stringMatching(/^api_key:/),
    organization: { id: admin.organizationId, name: 'acme' },
    role: 'admin',
  });
});

interface Listed extends Key {
  readonly name: string;
  readonly last_used_at: string | null;
}

it('[SEC-5] [ARC-5] when a key was last used is in the list soon, while its process goes on', async () => {
  await until(async () => {
    const page = await admin.request('GET', '/v1/api-keys?limit=100');
    const { api_keys: keys } = (await page.json()) as { api_keys: Listed[] };
    expect(keys.find(({ name }) => name === 'reader')).toMatchObject({ last_used_at: expect.any(String) });
  });
});

it('[DATA-7] every act is sealed within 10 s, while its process goes on', async () => {
  const slowest = await until(async () => {
    const [acts] = await owner<{ unsealed: number; slowest: number }>`
      select count(*) filter (where s.seq is null)::integer as unsealed,
             extract(epoch from max(s.sealed_at - l.at))::float8 as slowest
        from ops.audit_log l left join ops.audit_seal s on l.id = any (s.ids)
       where l.organization_id = ${admin.organizationId}`;
    expect(acts?.unsealed).toBe(0);
    return acts?.slowest;
  });
  expect(slowest).toBeLessThan(10);
});
