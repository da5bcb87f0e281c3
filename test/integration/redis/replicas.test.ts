import { randomBytes } from 'node:crypto';
import { serve } from '#src/composition/serve.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testDatabase } from '../../support/database.ts';
import { describeWithRedis } from '../../support/servers.ts';
import { testClient, testEnvironment } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const LIMIT = 60;

/** A network that no other test comes from. */
const newNetwork = (): string => {
  const [a, b, c] = randomBytes(6).toString('hex').match(/..../g) as [string, string, string];
  return `2001:db8:${a}:${b}::${c}`;
};

const database = await testDatabase();

describeWithRedis('two replicas of the API', (url) => {
  let replicas: Awaited<ReturnType<typeof serve>>[];
  beforeAll(async () => {
    const environment = {
      ...testEnvironment(database),
      DRAGONFLY_REDIS_URL: url,
      DRAGONFLY_TRUSTED_PROXIES: '127.0.0.0/8',
      DRAGONFLY_RATE_LIMIT_AUTHENTICATED: String(LIMIT),
      DRAGONFLY_RATE_LIMIT_ANONYMOUS: '3',
    };
    replicas = [await serve(['api'], environment), await serve(['api'], environment)];
  }, 60_000);
  afterAll(async () => {
    for (const { stop } of replicas) await stop();
  });
  const urlOf = (nth: number, name: 'api' | 'metrics'): string => replicas[nth % 2]?.urls[name] ?? '';
  const metricsOf = async (nth: number): Promise<string> =>
    await (await fetch(new URL('/metrics', urlOf(nth, 'metrics')))).text();

  it('[SEC-8] [ARC-3] hold a key and an address to one limit between them', async () => {
    for (const nth of [0, 1])
      await until(async () => {
        expect(await metricsOf(nth)).toContain('rate_limit_shared 1');
      });
    const { key } = await testClient(database, urlOf(0, 'api'));
    const address = newNetwork();
    const ask = async (nth: number, headers: Readonly<Record<string, string>>): Promise<number> => {
      const target = new URL('/v1/job-types', urlOf(nth, 'api'));
      return (await fetch(target, { headers: { 'x-forwarded-for': address, ...headers } })).status;
    };

    const statuses: number[] = [];
    for (const nth of Array(LIMIT + 10).keys())
      statuses.push(await ask(nth, { authorization: `Bearer ${key}` }));
    const admitted = statuses.filter((status) => status === 200).length;
    expect(admitted).toBeLessThanOrEqual(LIMIT);
    expect(admitted).toBeGreaterThanOrEqual(LIMIT - LIMIT / 10);
    expect(statuses.at(-1)).toBe(429);

    const anonymous: number[] = [];
    for (const nth of Array(5).keys()) anonymous.push(await ask(nth, {}));
    expect(anonymous).toEqual([401, 401, 401, 429, 429]);
  });

  it('[OBS-4] show what they decided, and how often they asked', async () => {
    const text = (await metricsOf(0)) + (await metricsOf(1));
    for (const series of [
      /^rate_limit_decisions_total\{limit="principal",decision="admitted"\} [1-9]/m,
      /^rate_limit_decisions_total\{limit="anonymous",decision="refused"\} 1$/m,
      /^rate_limit_leases_total\{outcome="answered"\} [1-9]/m,
      /^rate_limit_outages_total \d+$/m,
    ])
      expect(text).toMatch(series);
  });
});
