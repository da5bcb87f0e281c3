import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { DomainError } from '#src/domain/errors.ts';
import { ANY_LOAD, JOB, KEY, UNKNOWN_KEY, principal, testApi } from './setup.ts';

it('[OBS-4] counts requests by method, template and status', async () => {
  const { request, registry } = await testApi();
  for (const id of [JOB.id, JOB.id, 'not-a-uuid']) await request({ url: `/v1/jobs/${id}` });
  for (const path of ['/a', '/b', '/c%zz']) await request({ url: path });
  await request({ url: '/health' });

  const text = await registry.metrics();
  const counts = [...text.matchAll(/^http_request_duration_seconds_count\{(.*)\} (\d+)$/gm)];
  expect(counts.map(([, labels, count]) => [labels, count])).toEqual([
    ['method="GET",route="/v1/jobs/:id",status="200"', '2'],
    ['method="GET",route="/v1/jobs/:id",status="422"', '1'],
    ['method="GET",route="unmatched",status="404"', '2'],
    ['method="GET",route="unmatched",status="400"', '1'],
  ]);
});

it('[OBS-4] measures in seconds', async () => {
  const { request, registry } = await testApi();
  await request({ url: '/v1/job-types' });
  const [, sum] = /^http_request_duration_seconds_sum\{.*\} (.*)$/m.exec(await registry.metrics()) ?? [];
  expect(Number(sum)).toBeGreaterThan(0);
  expect(Number(sum)).toBeLessThan(1);
});

it('[OBS-4] has no more series for a thousand paths than for one', async () => {
  const { request, registry } = await testApi();
  const seriesAfter = async (count: number): Promise<string[]> => {
    for (const path of Array.from({ length: count }, () => randomUUID())) {
      await request({ url: `/${path}` });
      await request({ url: `/v1/jobs/${path}?cursor=${path}` });
      await request({ method: 'DELETE', url: `/v1/queues/${path}/pause` });
      await request({ method: 'OPTIONS', url: `/v1/queues/${path}/pause` });
    }
    const text = await registry.metrics();
    return text.split('\n').map((line) => line.replace(/ \S+$/, ''));
  };
  const few = await seriesAfter(1);
  expect(await seriesAfter(250)).toEqual(few);
});

it('[OBS-4] counts what authentication decided', async () => {
  const authenticate = Object.assign(
    async (key: string) => {
      if (key === KEY) return principal('api_key:a');
      throw key === UNKNOWN_KEY
        ? new DomainError('unauthenticated', 'No.')
        : new DomainError('database_unavailable', 'Away.');
    },
    {
      known: (key: string) => (key === 'known' ? principal('api_key:b') : undefined),
    },
  );
  const { app, registry } = await testApi({ dependencies: { authenticate } });
  const sent = ['known', 'known', 'known', KEY, KEY, UNKNOWN_KEY, 'away'].map((key) => `Bearer ${key}`);
  for (const authorization of sent) await app.inject({ url: '/v1/job-types', headers: { authorization } });
  await app.inject({ url: '/v1/job-types' });
  await app.inject({ url: '/health' });
  const counts = (await registry.metrics()).matchAll(
    /^authentication_decisions_total\{decision="(.*)"\} (\d+)$/gm,
  );
  expect([...counts].map(([, decision, count]) => `${decision} ${count}`)).toEqual([
    'known 3',
    'found 2',
    'refused 1',
    'limited 0',
    'unchecked 1',
    'none 1',
  ]);
});

it('[OBS-4] [AV-7] shows what is in flight and what was refused for too much load', async () => {
  const held = Promise.withResolvers<void>();
  const { request, registry } = await testApi({
    options: { load: { ...ANY_LOAD, inFlight: 1, waiting: 2, waitMs: 200 } },
    onContext: () => held.promise,
  });
  const figures = async (): Promise<string[]> =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => /^http_requests_(?:in_flight|shed_total)/.test(line));
  const answers = Array.from({ length: 4 }, async () => await request({ url: `/v1/jobs/${JOB.id}` }));
  expect((await Promise.race(answers)).statusCode).toBe(503);
  expect(await figures()).toEqual([
    'http_requests_shed_total{reason="late"} 0',
    'http_requests_shed_total{reason="full"} 1',
    'http_requests_in_flight{state="working"} 1',
    'http_requests_in_flight{state="waiting"} 2',
  ]);
  await expect.poll(figures).toContain('http_requests_shed_total{reason="late"} 2');
  held.resolve();
  await Promise.all(answers);
  expect(await figures()).toEqual([
    'http_requests_shed_total{reason="late"} 2',
    'http_requests_shed_total{reason="full"} 1',
    'http_requests_in_flight{state="working"} 0',
    'http_requests_in_flight{state="waiting"} 0',
  ]);
});
