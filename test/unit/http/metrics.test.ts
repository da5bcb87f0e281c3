import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { JOB, testApi } from './setup.ts';

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
