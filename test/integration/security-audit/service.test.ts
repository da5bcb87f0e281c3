import { afterEach, describe, expect, it } from 'vitest';
import { UsageError } from '#src/composition/cli/command.ts';
import type { Environment } from '#src/config/load.ts';
import { type Break, breakingProxy } from '../../support/breaking-proxy.ts';
import { testDatabase } from '../../support/database.ts';
import { audit, auditedEnvironment } from '../../support/security-audit.ts';
import { testService } from '../../support/service.ts';

const database = await testDatabase();
const environment = auditedEnvironment(database);
const audited = async (changes: Environment, ...args: string[]) =>
  await audit({ ...environment, ...changes }, ...args);

describe('[SEC-2] [SEC-3] [SEC-9] [SEC-10] of the configuration the audit', () => {
  const cases: [string, Environment, string][] = [
    [
      'a guessable secret',
      { DRAGONFLY_WEBHOOK_SECRET: 'an example secret of many characters' },
      'secret-strength',
    ],
    ['an origin *', { DRAGONFLY_CORS_ORIGINS: '*' }, 'cors-any'],
    ['the whole internet as proxy', { DRAGONFLY_TRUSTED_PROXIES: '10.0.0.0/8,0.0.0.0/0' }, 'trusted-proxies'],
    ['metrics without a token', { DRAGONFLY_METRICS_TOKEN: '' }, 'metrics-token'],
    ['webhooks to loopback', { DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'true' }, 'webhook-loopback'],
    ['limits that limit nobody', { DRAGONFLY_RATE_LIMIT_ANONYMOUS: '1000000' }, 'rate-limits'],
    ['a value that cannot be read', { DRAGONFLY_TRUSTED_PROXIES: 'everybody' }, 'configuration'],
  ];

  it.for(cases)('finds %s', async ([, changes, check]) => {
    const { bad, output } = await audited(changes);
    expect(bad).toEqual([check]);
    expect(output).not.toContain(environment['DRAGONFLY_METRICS_TOKEN']);
  });

  it('finds webhooks that nothing signs', async () => {
    expect((await audited({ DRAGONFLY_WEBHOOK_SECRET: '' })).bad).toEqual([
      'configuration',
      'webhook-secret',
    ]);
  });

  it('looks at those roles only whose variables are here', async () => {
    expect((await audited({ DRAGONFLY_WEBHOOK_SECRET: '' }, '--roles', 'api')).bad).toEqual([]);
    await expect(audited({}, '--roles', 'nobody')).rejects.toThrow(UsageError);
  });
});

/** Without limits that many audits in a minute meet. */
const dev = { ...environment, DRAGONFLY_ENV: 'dev', DRAGONFLY_RATE_LIMIT_ANONYMOUS: '1000000' };
const service = await testService(database, ['api'], dev);
const trusting = await testService(database, ['api'], { ...dev, DRAGONFLY_TRUSTED_PROXIES: '127.0.0.0/8' });
const front = await breakingProxy(service.apiUrl);
const ops = await breakingProxy(service.metricsUrl);
afterEach(() => {
  front.breakBy();
  ops.breakBy();
});
const outside = async (url = front.url) => await audited({}, '--url', url, '--ops-url', ops.url);

describe('[SEC-3] [SEC-9] [SEC-10] [SEC-14] from outside the audit', () => {
  it('has nothing to say of the service as it is', async () => {
    const { bad, of } = await outside();
    expect(bad).toEqual([]);
    expect(of('metrics-port')).toMatchObject({ summary: '/metrics asks for its token' });
    expect(of('forged-client')).toMatchObject({ severity: 'ok' });
  });

  const breaks: [string, Break, string[]][] = [
    ['a header that is gone', ({ headers }) => delete headers['x-frame-options'], ['security-headers']],
    [
      'a header that names a product',
      ({ headers }) => (headers['server'] = 'nginx/1.2'),
      ['telling-headers'],
    ],
    [
      'an origin that is allowed',
      ({ headers }) => (headers['access-control-allow-origin'] = '*'),
      ['cors-denied'],
    ],
    [
      'a stack in a refusal',
      (answer) => (answer.body = answer.body.replace('{', '{"stack":"at node_modules/x.js:1",')),
      ['telling-bodies'],
    ],
    [
      'an answer without a key',
      (answer, { path }) => path === '/v1/jobs' && (answer.status = 200),
      ['problem-unauthorized'],
    ],
    [
      'a host that was forged',
      (answer, { headers }) =>
        headers['x-forwarded-host'] &&
        (answer.headers['location'] = `https://${headers['x-forwarded-host'] as string}/`),
      ['forged-host'],
    ],
    [
      'a Host that was forged',
      (answer, { headers }) =>
        headers.host?.endsWith('.invalid') &&
        (answer.body = answer.body.replace('{', `{"at":"${headers.host}",`)),
      ['forged-host'],
    ],
    [
      'metrics on the port of the API',
      (answer, { path }) => path === '/metrics' && (answer.status = 200),
      ['metrics-of-api'],
    ],
  ];

  it.for(breaks)('finds %s', async ([, change, found]) => {
    front.breakBy(change);
    expect((await outside()).bad).toEqual(found);
  });

  it('finds metrics that ask for no token', async () => {
    ops.breakBy((answer) => (answer.status = 200));
    expect((await outside()).of('metrics-port')).toMatchObject({ severity: 'critical' });
  });

  it('warns when a forged address is believed', async () => {
    const { bad } = await outside(trusting.apiUrl);
    expect(bad).toEqual(['forged-client']);
  });

  it('warns of what it was not asked to look at', async () => {
    const skipped = ['http-skipped', 'metrics-port-skipped'];
    const { of, code } = await audited({}, '--expect', 'nothing', '--strict');
    expect([of('http-skipped')?.severity, code]).toEqual(['warning', 1]);
    expect((await audited({}, '--url', front.url)).bad).toEqual(skipped.slice(1));
    await expect(audited({}, '--ops-url', ops.url)).rejects.toThrow('--url: where the service is');
  });

  it('fails when nobody answers', async () => {
    const { of, code } = await audited({}, '--url', 'http://127.0.0.1:1');
    expect(code).toBe(1);
    expect(of('http-reachable')).toMatchObject({ severity: 'critical' });
  });
});
