import { describe, expect, it } from 'vitest';
import { type DependencyCheck, makeReadiness } from '#src/application/health/readiness.ts';
import { testApi } from './setup.ts';

const broken = (name: string, kind: DependencyCheck['kind']): DependencyCheck => ({
  name,
  kind,
  check: async () => {
    throw new Error('connect ECONNREFUSED db.internal');
  },
});

const readinessOf = (...checks: DependencyCheck[]) =>
  makeReadiness({ checks, timeoutMs: 100, onChange: () => {} });

it('[AV-1] is alive while every dependency is down, and asks none', async () => {
  const readiness = {
    probe: () => Promise.reject(new Error('liveness asked for readiness')),
    stop: () => {},
    stopping: () => false,
  };
  const { app } = await testApi({ dependencies: { readiness } });
  const response = await app.inject({ url: '/health' });
  expect(response.statusCode).toBe(200);
  expect(response.json()).toEqual({ status: 'ok' });
});

describe.each(['/readyz', '/ready'])('[AV-2] %s', (url) => {
  it('is ready and names its dependencies', async () => {
    const fine: DependencyCheck = { name: 'postgres', kind: 'hard', check: async () => {} };
    const { app } = await testApi({ dependencies: { readiness: readinessOf(fine) } });
    const response = await app.inject({ url });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({ status: 'ready', services: { postgres: 'ok' } });
  });

  it('is not ready without a hard dependency, and says nothing of why', async () => {
    const { app } = await testApi({ dependencies: { readiness: readinessOf(broken('postgres', 'hard')) } });
    const response = await app.inject({ url });
    expect(response.statusCode).toBe(503);
    expect(response.json()).toEqual({ status: 'not_ready', services: { postgres: 'unavailable' } });
  });

  it('shows a missing soft dependency and stays ready', async () => {
    const { app } = await testApi({ dependencies: { readiness: readinessOf(broken('redis', 'soft')) } });
    const response = await app.inject({ url });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({ status: 'ready', services: { redis: 'degraded' } });
  });

  it('fails as soon as shutdown begins', async () => {
    const readiness = readinessOf();
    const { app } = await testApi({ dependencies: { readiness } });
    readiness.stop();
    expect((await app.inject({ url })).statusCode).toBe(503);
  });
});
