import { Gauge, Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { buildOpsApp } from '#src/adapters/inbound/http/ops-app.ts';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { makeReadiness } from '#src/application/health/readiness.ts';
import { GIT_SHA } from './setup.ts';

async function opsApp() {
  const lines: string[] = [];
  const registry = new Registry();
  const app = await buildOpsApp(
    { gitSha: GIT_SHA },
    {
      readiness: makeReadiness({ checks: [], timeoutMs: 100, onChange: () => {} }),
      registry,
      logger: createLogger(
        { level: 'debug', service: 'dragonfly-test', gitSha: GIT_SHA },
        { write: (line) => lines.push(line) },
      ),
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
