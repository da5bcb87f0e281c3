import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabase } from '#test/support/database.ts';
import { webhookTo } from '#test/support/jobs.ts';
import { type Answer, load, percentile } from '#test/support/load.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { expect, it } from 'vitest';

const OVERLOAD = 3;
const PAGE = 100;
const MODERATE = 50;
/** More than can be under way while each is answered within a second. */
const MANY = 1500;
const LONGEST_MS = 1000;
const LONGEST_PROBE_MS = 100;
const RECOVERY_MS = 1000;

const database = await testDatabase();
// PostgreSQL shares the two cores of a small machine: more connections than these only take them from the service.
const service = dragonfly(database, { LOG_LEVEL: 'info', DRAGONFLY_DATABASE_POOL_MAX: '2' });

const timesOf = (all: readonly { readonly ms: number }[]): number[] => all.map(({ ms }) => ms);
const withStatus = (answers: readonly Answer[], status: number): Answer[] =>
  answers.filter((answer) => answer.status === status);

// A machine that is busy with something else can break any limit in milliseconds once, but not three times.
it(
  '[AV-7] answers in time what it takes on, refuses the rest and never a probe, at three times its capacity',
  {
    timeout: 60_000,
    retry: 2,
  },
  async () => {
    const { apiUrl, metricsUrl } = await service.serve('api');
    const client = await testClient(database, apiUrl);
    await client.request('POST', '/v1/jobs/batch', {
      jobs: Array.from({ length: PAGE }, () => webhookTo('http://127.0.0.1:9')),
    });
    const { host } = new URL(apiUrl);
    const request = `GET /v1/jobs?limit=${PAGE} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${client.key}\r\n\r\n`;
    const moderate = { url: apiUrl, request, connections: MODERATE };

    const cold = await load({ ...moderate, ms: 1000 });
    const warm = await load({ ...moderate, ms: 2000 });
    // Neither the first requests nor a full processor are an overload.
    expect(new Set([...cold.answers, ...warm.answers].map(({ status }) => status))).toEqual(new Set([200]));
    const capacity = warm.answers.length / 2;

    const probes = [apiUrl, metricsUrl].flatMap((url) => [`${url}/health`, `${url}/readyz`]);
    const seconds = 5;
    const { answers, probed } = await load({
      url: apiUrl,
      request,
      connections: MANY,
      ms: seconds * 1000,
      perSecond: OVERLOAD * capacity,
      probes,
    });
    const accepted = withStatus(answers, 200);
    const refused = withStatus(answers, 503);
    expect(accepted.length + refused.length).toBe(answers.length);
    expect(refused.filter(({ retryAfter }) => !retryAfter)).toEqual([]);
    expect(refused.length).toBeGreaterThan(answers.length / OVERLOAD / 2);
    expect(accepted.length).toBeGreaterThan((capacity * seconds) / 2);
    expect(percentile(timesOf(accepted), 0.99)).toBeLessThan(LONGEST_MS);
    expect(new Set(probed.map(({ status }) => status))).toEqual(new Set([200]));
    expect(percentile(timesOf(probed), 0.99)).toBeLessThan(LONGEST_PROBE_MS);

    await sleep(RECOVERY_MS);
    const after = await load({ ...moderate, ms: 1000 });
    expect(withStatus(after.answers, 503)).toEqual([]);
  },
);
