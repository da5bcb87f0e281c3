import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { permissionsOf } from '#src/domain/access/permission.ts';
import { GIT_SHA, JOB, KEY_ID, principal, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;
const newKey = (more: Readonly<Record<string, unknown>> = {}) =>
  ({ method: 'POST', url: '/v1/api-keys', payload: { name: 'client', role: 'viewer', ...more } }) as const;

/** What a role may not, with the permission that it lacks. */
const DENIED = [
  ['viewer', 'POST', '/v1/queues/webhook.deliver/pause', 'queues:control'],
  ['viewer', 'POST', `${url}/cancel`, 'jobs:control'],
  ['service', 'GET', '/v1/workers', 'workers:read'],
  ['service', 'GET', '/v1/api-keys', 'api_keys:read'],
  ['operator', 'POST', '/v1/queues/webhook.deliver/purge', 'queues:purge'],
  ['operator', 'GET', '/v1/audit', 'audit:read'],
  ['auditor', 'POST', '/v1/api-keys', 'api_keys:write'],
  ['auditor', 'POST', `/v1/api-keys/${KEY_ID}/revoke`, 'api_keys:write'],
] as const;

describe('[SEC-3] [SEC-4]', () => {
  it.for(DENIED)('%s is denied %s %s', async ([role, method, path, permission]) => {
    const { request, logLines, registry } = await testApi({ role });
    const response = await request({ method, url: path });
    expect(response.json()).toMatchObject({ status: 403, code: 'permission_denied' });
    expect(response.json().detail).toContain(permission);
    const events = logLines().filter(({ event }) => event === 'permission_denied');
    expect(events).toMatchObject([
      { level: 'ERROR', actor: `api_key:${KEY_ID}`, message: 'security violation' },
    ]);
    expect(events[0]?.['trace_id']).toBe(response.json().trace_id);
    expect(await registry.metrics()).toContain(`authorization_denials_total{permission="${permission}"} 1`);
  });

  it('a denial comes before the body is looked at', async () => {
    const { request } = await testApi({ role: 'viewer' });
    const response = await request({ method: 'POST', url: '/v1/jobs', payload: { nonsense: true } });
    expect(response.json()).toMatchObject({ code: 'permission_denied' });
  });

  it('a grant is counted, and not logged unless that is asked for', async () => {
    const { request, logLines, registry } = await testApi({ role: 'viewer', logLevel: 'debug' });
    expect((await request({ url })).statusCode).toBe(200);
    expect(await registry.metrics()).toContain('authorization_grants_total{permission="jobs:read"} 1');
    expect(logLines().filter(({ event }) => event === 'permission_granted')).toEqual([]);
  });

  it('of all grants as many are logged as are asked for', async () => {
    const random = vi.spyOn(Math, 'random');
    onTestFinished(() => {
      random.mockRestore();
    });
    const { request, logLines } = await testApi({ role: 'viewer', options: { loggedGrants: 0.25 } });
    const answers = [];
    for (const chance of [0, 0.249, 0.25, 0.999]) {
      random.mockReturnValue(chance);
      answers.push(await request({ url }));
    }
    expect(logLines().filter(({ event }) => event === 'permission_granted')).toEqual(
      answers.slice(0, 2).map(({ headers }) => ({
        timestamp: expect.any(String),
        level: 'INFO',
        message: 'permission granted',
        service: 'dragonfly-test',
        git_sha: GIT_SHA,
        trace_id: headers['x-trace-id'],
        event: 'permission_granted',
        actor: `api_key:${KEY_ID}`,
        organization_id: 'acme',
        permission: 'jobs:read',
        route: '/v1/jobs/:id',
      })),
    );
  });
});

/** A key that may make keys, and nothing else. */
const maker = {
  ...principal('api_key:maker'),
  permissions: permissionsOf('admin', ['api_keys:write']),
};

it.for([
  ['create', newKey()],
  ['rotate', { method: 'POST', url: `/v1/api-keys/${KEY_ID}/rotate`, payload: {} }],
] as const)(
  '[SEC-4] to %s a key that may more than one’s own is an escalation, and a security event',
  async ([, asked]) => {
    const authenticate = Object.assign(async () => maker, { known: () => maker });
    const { request, logLines } = await testApi({ dependencies: { authenticate } });
    const response = await request(asked);
    const { trace_id } = response.json();
    expect(response.json()).toMatchObject({ status: 403, code: 'privilege_escalation' });
    expect(logLines().filter(({ event }) => event === 'privilege_escalation')).toMatchObject([
      { level: 'ERROR', message: 'security violation', actor: 'api_key:maker', trace_id },
    ]);
  },
);

describe('[SEC-3] [SEC-13] an administrator', () => {
  it('shows a new secret once', async () => {
    const { request } = await testApi();
    const created = await request(newKey());
    expect(created.statusCode).toBe(201);
    expect(created.json().key).toMatch(/^dfk_/);
    expect(created.headers['cache-control']).toBe('no-store');
    const listed = await request({ url: '/v1/api-keys' });
    expect(listed.body).not.toContain('dfk_');
  });

  it.for([
    ['role', newKey({ role: 'owner' })],
    ['permission', newKey({ scopes: ['everything'] })],
    ['life of 91 days', newKey({ lifetime_days: 91 })],
    ['organisation', newKey({ organization_id: '019c1222-7c00-7d3b-9a54-3f1c6a2e8b92' })],
    ['field of a stored key', newKey({ expires_at: '2999-01-01T00:00:00Z' })],
    ['name with a line break', newKey({ name: 'a\nb' })],
  ] as const)('cannot give a %s that there is not', async ([, creation]) => {
    const { request } = await testApi();
    expect((await request(creation)).json()).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('learns which scopes a role does not have', async () => {
    const { request } = await testApi();
    const response = await request(newKey({ scopes: ['jobs:read', 'audit:read'] }));
    expect(response.json()).toMatchObject({
      code: 'validation_failed',
      errors: [{ pointer: '#/scopes/1', detail: 'The role viewer does not have audit:read.' }],
    });
  });
});

it('[SEC-3] who one is, and what one may do', async () => {
  const { request } = await testApi({ role: 'service' });
  expect((await request({ url: '/v1/me/permissions' })).json()).toEqual({
    permissions: ['me:read', 'jobs:read', 'jobs:queue', 'jobs:control', 'queues:read'],
  });
  expect((await request({ url: '/v1/me' })).json()).toEqual({
    actor: `api_key:${KEY_ID}`,
    organization: { id: 'acme', name: 'acme' },
    role: 'service',
  });
});
