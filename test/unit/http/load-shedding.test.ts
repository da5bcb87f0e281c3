import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { JOB, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;
const idle = { inFlight: 1000, utilization: 1, eventLoopDelayMs: 10_000 };

/** An API whose queue does not answer, for as long as `held`, to as many requests as are given. */
async function busyApi(load: typeof idle, requests: number) {
  const held = Promise.withResolvers<void>();
  const api = await testApi({ options: { load }, onContext: () => held.promise });
  const answers = Array.from({ length: requests }, async () => await api.request({ url }));
  return { ...api, answers, release: held.resolve };
}

/** Gives the event loop no time, over some samples of the load. */
async function burn(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    for (const until = performance.now() + 300; performance.now() < until;);
    await sleep(0);
  }
}

it('[AV-7] refuses more requests at a time than allowed, until one of them is answered', async () => {
  const { request, answers, release } = await busyApi({ ...idle, inFlight: 3 }, 3);
  const refused = await request({ url });
  expect(refused.json()).toMatchObject({ status: 503, code: 'overloaded' });
  expect(refused.headers['retry-after']).toBe('1');
  release();
  for (const answer of answers) expect((await answer).statusCode).toBe(200);
  expect((await request({ url })).statusCode).toBe(200);
});

it.for(['/health', '/readyz'])('[AV-7] [AV-3] never refuses the probe %s', async (probe) => {
  const { request, answers, release } = await busyApi({ ...idle, inFlight: 1 }, 2);
  expect((await request({ url: probe })).statusCode).toBe(200);
  release();
  await Promise.all(answers);
});

it.for([
  ['is fully used', { ...idle, inFlight: 8, utilization: 0.9 }, 2],
  ['comes late', { ...idle, inFlight: 32, eventLoopDelayMs: 100 }, 2],
] as const)('[AV-7] takes on less while the event loop %s, but never nothing', async ([, load, taken]) => {
  const { request, answers, release } = await busyApi(load, taken - 1);
  await burn();
  const last = request({ url });
  expect((await request({ url })).json()).toMatchObject({ code: 'overloaded' });
  await expect.poll(async () => (await request({ url: '/nowhere' })).statusCode).toBe(404);
  release();
  for (const answer of [...answers, last]) expect((await answer).statusCode).toBe(200);
});
