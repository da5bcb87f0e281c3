import { randomBytes } from 'node:crypto';
import { Gauge, Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { buildOpsApp } from '#src/adapters/inbound/http/ops-app.ts';
import { createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { makeReadiness } from '#src/application/health/readiness.ts';
import { GIT_SHA } from './setup.ts';

async function opsApp(metricsTokens: () => readonly string[] | undefined = () => undefined) {
  const lines: string[] = [];
  const registry = new Registry();
  const logger = createLogger(
    { level: 'debug', service: 'dragonfly-test', gitSha: GIT_SHA },
    { write: (line) => lines.push(line) },
  );
  const app = await buildOpsApp(
    { gitSha: GIT_SHA, metricsTokens },
    {
      readiness: makeReadiness({ checks: [], timeoutMs: 100, onChange: () => {} }),
      registry,
      logger,
      security: createSecurityLog(registry, logger),
    },
  );
  onTestFinished(() => app.close());
  return { app, registry, lines };
}

function brokenCollector(): never {
  throw new Error('db.internal is gone');
}

it('[AV-2] [OBS-4] [AV-3] serves probes and metrics without a line of log', async () => {
  const { app, registry, lines } = await opsApp();
  new Gauge({ name: 'answer', help: 'Of everything.', registers: [registry] }).set(42);

  expect((await app.inject({ url: '/health' })).json()).toEqual({ status: 'ok' });
  for (const url of ['/readyz', '/ready']) {
    expect((await app.inject({ url })).json()).toEqual({ status: 'ready', services: {} });
  }
  const metrics = await app.inject({ url: '/metrics' });
  expect(metrics.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(metrics.body).toContain('\nanswer 42\n');
  expect(lines).toEqual([]);
});

it.for(['/health', '/metrics', '/nowhere', '/%zz'])('[DEP-1] [SEC-14] %s has the commit', async (url) => {
  const { app } = await opsApp();
  expect((await app.inject({ url })).headers).toMatchObject({
    'x-dragonfly-sha': GIT_SHA,
    ...SECURITY_HEADERS,
  });
});

it('[API-3] answers an unknown route with a problem', async () => {
  const { app } = await opsApp();
  const response = await app.inject({ url: '/v1/jobs' });
  expect(response.headers['content-type']).toContain('application/problem+json');
  expect(response.json()).toMatchObject({ status: 404, code: 'route_not_found' });
});

it('[AV-5] [OBS-2] hides a metric that fails to be collected, and logs it', async () => {
  const { app, registry, lines } = await opsApp();
  registry.registerMetric(
    new Gauge({ name: 'broken', help: 'Never there.', registers: [], collect: brokenCollector }),
  );
  const response = await app.inject({ url: '/metrics' });
  expect(response.statusCode).toBe(500);
  expect(response.body).not.toContain('db.internal');
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ level: 'ERROR', message: 'unhandled exception' }),
  ]);
});

const scrape = (authorization?: string) => ({
  url: '/metrics',
  headers: authorization === undefined ? {} : { authorization },
});

describe('[SEC-3] with a token', () => {
  const [FIRST, SECOND] = [randomBytes(36), randomBytes(36)].map((bytes) => bytes.toString('base64'));

  it('metrics are for who sends it, and probes for all', async () => {
    const { app, lines } = await opsApp(() => [`${FIRST}`]);
    expect((await app.inject(scrape(`Bearer ${FIRST}`))).statusCode).toBe(200);
    for (const url of ['/health', '/readyz', '/ready']) {
      expect((await app.inject({ url })).statusCode).toBe(200);
    }
    expect(lines).toEqual([]);
  });

  it.for([
    ['none', undefined, 'WARNING'],
    ['another', `Bearer ${SECOND}`, 'ERROR'],
    ['a part of it', `Bearer ${FIRST?.slice(0, -1)}`, 'ERROR'],
    ['more than it', `Bearer ${FIRST}=`, 'ERROR'],
    ['another scheme', `Basic ${FIRST}`, 'WARNING'],
    ['an empty one', 'Bearer ', 'WARNING'],
  ] as const)('[SEC-4] %s is refused, logged and counted', async ([, authorization, level]) => {
    const { app, registry, lines } = await opsApp(() => [`${FIRST}`]);
    const response = await app.inject(scrape(authorization));
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toBe('Bearer');
    expect(response.headers['content-type']).toContain('application/problem+json');
    expect(response.json()).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ level, message: 'security violation', event: 'metrics_refused' }),
    ]);
    expect(`${lines.join('')}${response.body}`).not.toContain(FIRST?.slice(0, -1));
    expect(await registry.metrics()).toContain('security_events_total{event="metrics_refused"} 1');
  });

  it('[SEC-8] so many failures a minute of an address are refused as such, then it is to wait; the scraper is not', async () => {
    const { app, registry, lines } = await opsApp(() => [`${FIRST}`]);
    const from = async (remoteAddress: string, token = SECOND) =>
      await app.inject({ ...scrape(`Bearer ${token}`), remoteAddress });
    for (let n = 0; n < 20; n += 1) expect((await from('2001:db8::1')).statusCode).toBe(401);
    for (let n = 0; n < 80; n += 1) {
      const limited = await from(`2001:db8::${n}`);
      expect(limited.statusCode).toBe(429);
      expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
      expect(limited.json()).toMatchObject({ code: 'rate_limited' });
    }
    expect((await from('192.0.2.1')).statusCode).toBe(401);
    expect((await from('2001:db8::1', FIRST)).statusCode).toBe(200);
    expect(lines.length, 'bounded').toBe(60);
    expect(await registry.metrics()).toContain('security_events_total{event="metrics_refused"} 101');
  });

  it('[SEC-18] either of two is good, and what is current counts at once', async () => {
    let tokens = [`${SECOND}`, `${FIRST}`];
    const { app } = await opsApp(() => tokens);
    const statuses = async (): Promise<number[]> =>
      await Promise.all(
        [FIRST, SECOND].map(async (token) => (await app.inject(scrape(`Bearer ${token}`))).statusCode),
      );
    expect(await statuses()).toEqual([200, 200]);
    tokens = [`${SECOND}`];
    expect(await statuses()).toEqual([401, 200]);
  });
});
